"""``python -m tests.cluster``: a real Kubernetes with MinIO for tests, up and down by one command.

up [--nodes N]      brings up what is not up; safe to repeat (--bare: without MinIO)
down                ends it and takes every trace away
status              nodes, programs that died, where logs are
load IMAGE          gives an image (a name in docker or buildah, or an archive) to every node
kubectl ...         kubectl as an administrator
shell               a shell in the cluster's network, with KUBECONFIG set
build [MODULE ...]  only builds the programs, into the user's cache
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.cluster import builder, minio_server
from tests.cluster.errors import ClusterError
from tests.cluster.images import load
from tests.cluster.providing import PROVIDERS, Cluster, Provider, find_provider


def main(arguments: list[str]) -> int:
    # Before argparse, which would take kubectl's options for ours.
    if arguments[:1] == ["kubectl"]:
        return _guarded(lambda: _kubectl(arguments[1:]))
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
    for name in ("down", "status", "shell"):
        commands.add_parser(name)
    commands.add_parser("load").add_argument("image")
    commands.add_parser("build").add_argument("module", nargs="*")
    asked = parser.parse_args(arguments)
    return _guarded(lambda: COMMANDS[asked.command](asked))


def _guarded(act: object) -> int:
    assert callable(act)
    try:
        act()
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


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


def _build(asked: argparse.Namespace) -> None:
    for module in builder.MODULES:
        if module.name in (asked.module or [module.name]):
            print(builder.build(module))


COMMANDS = {"up": _up, "down": _down, "status": _status, "load": _load, "shell": _shell, "build": _build}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
