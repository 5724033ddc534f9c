"""Runs commands in an image as a cluster would: its own user, no rights, a root file system that cannot be written.

docker where it built the image; else the image is mounted and given to runc with an OCI configuration of ours. What is written goes to
``/tmp``, a file system in memory, or to a folder of this machine that the caller names.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.image.building import Built
from tests.image.engines import buildah
from tests.image.errors import ImageUnavailable

SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """How a command in a container ended."""

    code: int
    out: str
    err: str


class Containers(AbstractContextManager["Containers"]):
    """Containers of one image, one after the other."""

    def __init__(self, built: Built) -> None:
        """Raises ``ImageUnavailable`` when nothing here can run a container."""
        self._built = built
        self._cleanup = ExitStack()
        self._root = ""
        if built.engine.name != "docker" and shutil.which("runc") is None:
            raise ImageUnavailable("no runc to run a container with; apt-get install runc")

    def __enter__(self) -> Self:
        if self._built.engine.name != "docker":
            container = buildah("from", "--pull-never", self._built.image)
            self._cleanup.callback(buildah, "rm", container)
            self._root = buildah("mount", container)
            self._cleanup.callback(buildah, "umount", container)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def run(
        self,
        *arguments: str,
        folders: Mapping[Path, str] | None = None,
        environment: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] | None = None,
    ) -> Ended:
        """Run the image's entry point, or ``entrypoint``, with ``arguments``.

        ``folders`` of this machine are writable at their places in the container, which shares the machine's network.
        """
        if self._built.engine.name == "docker":
            return _docker(self._built.image, arguments, folders or {}, environment or {}, entrypoint)
        said: Any = self._built.engine.configuration(self._built.image)
        command = [*(said["Entrypoint"] if entrypoint is None else entrypoint), *arguments]
        with tempfile.TemporaryDirectory(prefix="weir-runc-") as bundle:
            variables = [*said["Env"], *(f"{name}={value}" for name, value in (environment or {}).items())]
            specification = _specification(self._root, command, said, variables, folders or {})
            Path(bundle, "config.json").write_text(json.dumps(specification))
            state = ("runc", "--root", f"{bundle}/state")
            return _ended(*state, "run", "--bundle", bundle, f"weir-{secrets.token_hex(6)}")


def _docker(
    image: str,
    arguments: Sequence[str],
    folders: Mapping[Path, str],
    environment: Mapping[str, str],
    entrypoint: Sequence[str] | None,
) -> Ended:
    options = ["--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "host"]
    options += ["--security-opt", "no-new-privileges"]
    options += [part for folder, place in folders.items() for part in ("--volume", f"{folder}:{place}")]
    options += [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    command = list(arguments)
    if entrypoint is not None:
        options += ["--entrypoint", entrypoint[0]]
        command = [*entrypoint[1:], *command]
    return _ended("docker", "run", *options, image, *command)


def _ended(*command: str) -> Ended:
    ended = subprocess.run(
        command, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def _specification(
    root: str, command: Sequence[str], image: Any, environment: Sequence[str], folders: Mapping[Path, str]
) -> Mapping[str, Any]:
    """The OCI runtime configuration: what a pod of the restricted profile with a read-only root gets."""
    user, _, group = str(image["User"]).partition(":")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "args": list(command),
            "env": list(environment),
            "cwd": image["WorkingDir"],
            "user": {"uid": int(user), "gid": int(group or user)},
            "noNewPrivileges": True,
            "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable")},
        },
        "root": {"path": root, "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777", "nosuid"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755", "nosuid"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["mode=1777", "noexec"]},
            *(
                {"destination": place, "type": "bind", "source": str(folder), "options": ["bind", "rw"]}
                for folder, place in folders.items()
            ),
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
        },
    }
