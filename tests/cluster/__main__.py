"""``python -m tests.cluster``: a real Kubernetes with MinIO for tests, up and down by one command.

up [--nodes N]      brings up what is not up; safe to repeat (--bare: without MinIO)
down                ends it and takes every trace away
status              nodes, programs that died, where logs are
load IMAGE          gives an image (a name in docker or buildah, or an archive) to every node
kubectl ...         kubectl as an administrator
shell               a shell in the cluster's network, with KUBECONFIG set
during COMMAND ...  runs a command with a cluster up; takes down what it brought up
spare [NAME]        adds a node that a test may lose, and says its name; with NAME takes it away
prepare             only installs and builds what `up` and the tests need: packages, programs, the image
build [MODULE ...]  only builds the programs, into the user's cache
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster import builder, debian, minio_server
from tests.cluster.errors import ClusterError, ClusterUnavailable
from tests.cluster.images import load
from tests.cluster.native import NativeCluster, log_ends
from tests.cluster.providing import PROVIDERS, Cluster, Provider, find_provider


def main(arguments: list[str]) -> int:
    # Before argparse, which would take kubectl's options for ours.
    if arguments[:1] == ["kubectl"]:
        return _guarded(lambda: _kubectl(arguments[1:]))
    if arguments[:1] == ["during"]:
        return _guarded(lambda: _during(arguments[1:]))
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--provider", choices=sorted(PROVIDERS), help="default: $WEIR_CLUSTER, or what works")
    parser.add_argument(
        "--name", default="weir", help="which of this machine's clusters (default: %(default)s)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    up.add_argument("--nodes", type=int, choices=(1, 2), default=1)
    up.add_argument("--bare", action="store_true", help="without MinIO")
    for name in ("down", "status", "shell", "prepare"):
        commands.add_parser(name)
    commands.add_parser("load").add_argument("image")
    commands.add_parser("spare").add_argument("node", nargs="?")
    commands.add_parser("build").add_argument("module", nargs="*")
    asked = parser.parse_args(arguments)
    return _guarded(lambda: COMMANDS[asked.command](asked))


def _guarded(act: Callable[[], int | None]) -> int:
    try:
        return act() or 0
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1


def _up(asked: argparse.Namespace) -> None:
    provider = find_provider(asked.provider, asked.name)
    began = time.monotonic()
    provider.up(asked.nodes)
    ready = time.monotonic()
    print(f"{provider.name}: {asked.nodes} node(s) Ready in {ready - began:.1f} s")
    if asked.bare:
        return
    minio_server.install(Cluster(provider))
    print(
        f"MinIO at {minio_server.ENDPOINT} with bucket {minio_server.BUCKET} in {time.monotonic() - ready:.1f} s"
    )


def _down(asked: argparse.Namespace) -> None:
    provider = find_provider(asked.provider, asked.name)
    began = time.monotonic()
    provider.down()
    print(f"{provider.name}: down in {time.monotonic() - began:.1f} s")


def _status(asked: argparse.Namespace) -> None:
    print("\n".join(find_provider(asked.provider, asked.name).status()))


def _load(asked: argparse.Namespace) -> None:
    load(find_provider(asked.provider, asked.name), asked.image)


def _kubectl(arguments: list[str]) -> None:
    command = Cluster(find_provider()).command(*arguments)
    os.execvp(command[0], command)


def _shell(asked: argparse.Namespace) -> None:
    provider: Provider = find_provider(asked.provider, asked.name)
    path = f"{Path(provider.kubectl).parent}:{os.environ.get('PATH', '')}"
    environment = os.environ | {"KUBECONFIG": str(provider.kubeconfig), "PATH": path}
    command = provider.enter([os.environ.get("SHELL") or "sh"])
    os.execvpe(command[0], command, environment)


def _during(command: list[str]) -> int:
    """The command's exit code. Its processes may share the cluster, as none of them is the one that brought it up.

    Where none can be had the command runs without: its tests skip, and fail in CI.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is taken down then, too
    try:
        provider = find_provider()
    except ClusterUnavailable as error:
        print(error, file=sys.stderr)
        return subprocess.run(command, check=False).returncode
    was_up = bool(provider.nodes_up())
    asked = argparse.Namespace(provider=None, name=provider.name, nodes=1, bare=False)
    try:
        try:
            _up(asked)
        except ClusterError:
            print(*provider.status(), *log_ends(), sep="\n", file=sys.stderr)
            raise
        return subprocess.run(command, check=False).returncode
    finally:
        if not was_up:
            _down(asked)


def _prepare(_asked: argparse.Namespace) -> int:
    from tests.image.building import build, checkout_tag
    from tests.image.errors import ImageError, ImageUnavailable

    try:
        find_provider().prepare()
        debian.install(debian.BUILDING)
        print(build(f"weir:{checkout_tag()}"))
    except (ClusterUnavailable, ImageUnavailable) as error:
        print(error, file=sys.stderr)
        return int(os.environ.get("CI") == "true")
    except ImageError as error:
        raise ClusterError(str(error)) from error
    return 0


def _spare(asked: argparse.Namespace) -> None:
    provider = find_provider(asked.provider, asked.name)
    if not isinstance(provider, NativeCluster):
        raise ClusterError(
            f"a {asked.provider or 'kind'} cluster takes no node in addition; a native one does"
        )
    if asked.node:
        provider.remove_spare(asked.node)
    else:
        print(provider.add_spare())


def _build(asked: argparse.Namespace) -> None:
    for module in builder.MODULES:
        if module.name in (asked.module or [module.name]):
            print(builder.build(module))


COMMANDS = {
    "up": _up,
    "down": _down,
    "status": _status,
    "load": _load,
    "prepare": _prepare,
    "shell": _shell,
    "spare": _spare,
    "build": _build,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
