"""Binaries from pinned Go modules, built once per lock file into a cache of the user.

Each folder below ``modules/`` is a Go module of ours whose go.mod pins what is built and whose go.sum locks it. ``binary("minio")``
gives the file's place and builds its module first when the cache has nothing under the key of the lock. To add one: a folder
with go.mod and go.sum (``go get -tool PACKAGE@VERSION`` writes both) and a line in ``MODULES``. A cold build of everything
takes both cores for about ten minutes, so it runs at the lowest priority.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError, ClusterUnavailable

MODULES_FOLDER = Path(__file__).parent / "modules"


@dataclass(frozen=True)
class Module:
    """A Go module below ``modules/`` and the programs built from it."""

    name: str
    packages: tuple[str, ...]
    #: What the linker writes into the programs (``-X``), given the pinned versions by module path.
    variables: Callable[[dict[str, str]], dict[str, str]] = lambda _pinned: {}

    @property
    def folder(self) -> Path:
        return MODULES_FOLDER / self.name

    @property
    def binaries(self) -> tuple[str, ...]:
        return tuple(self.name if package == "." else package.rsplit("/", 1)[-1] for package in self.packages)


def kubernetes_version(pinned: dict[str, str]) -> dict[str, str]:
    """Kubernetes' programs learn their version from the linker; clients and kubelets compare it."""
    version = pinned["k8s.io/kubernetes"]
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


def helm_version(pinned: dict[str, str]) -> dict[str, str]:
    """Helm tells its version by what the linker gave it."""
    [(path, version)] = (
        (path, version) for path, version in pinned.items() if path.startswith("helm.sh/helm/")
    )
    return {f"{path}/internal/version.version": version}


MODULES = (
    Module("pause", (".",)),
    Module("coredns", ("github.com/coredns/coredns",)),
    Module(
        "kubernetes",
        tuple(
            f"k8s.io/kubernetes/cmd/{program}"
            for program in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        ),
        kubernetes_version,
    ),
    Module("minio", ("github.com/minio/minio",)),
    Module("kind", ("sigs.k8s.io/kind",)),
    *(Module(f"helm-{major}", (f"helm.sh/helm/v{major}/cmd/helm",), helm_version) for major in (3, 4)),
)


def cache_folder() -> Path:
    """Where what is built once is kept: ``$WEIR_TEST_CACHE``, by default below the user's cache folder."""
    if chosen := os.environ.get("WEIR_TEST_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weir-tests"


def binary(name: str) -> Path:
    """The program of this name; builds its module when the cache lacks it.

    Raises:
        ClusterUnavailable: there is no Go toolchain to build it with.
        ClusterError: the build failed.
    """
    return build(_module_of(name)) / name


def has(name: str) -> bool:
    """Whether the program is in the cache, as it is locked now."""
    return place(_module_of(name)).exists()


def _module_of(name: str) -> Module:
    module = next((module for module in MODULES if name in module.binaries), None)
    if module is None:
        raise ClusterError(f"no module builds {name!r}; add it to MODULES in tests/cluster/builder.py")
    return module


def build(module: Module) -> Path:
    """The folder with the module's programs, built if it is not there."""
    folder = place(module)
    if folder.exists():
        return folder
    go = go_command()
    with only_one(folder.parent / f"{module.name}.lock"):
        if not folder.exists():
            _build(module, go, folder)
    return folder


def place(module: Module) -> Path:
    """Where the programs of the module, as it is locked now, are kept."""
    return cache_folder() / "bin" / f"{module.name}-{key(module)}"


def go_command() -> str:
    """The Go toolchain.

    Raises:
        ClusterUnavailable: there is none, or it is older than what the modules ask for.
    """
    go = shutil.which("go")
    if go is None:
        raise ClusterUnavailable("no `go` command (1.24 or newer), which builds Kubernetes from its modules")
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < (1, 24):
        raise ClusterUnavailable(f"go is {said}; building Kubernetes from its modules takes 1.24 or newer")
    return go


def key(module: Module) -> str:
    """Names one content of the module: its lock, its own code and what the linker is told."""
    digest = hashlib.sha256()
    for path in sorted(module.folder.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(" ".join(_arguments(module)).encode())
    return digest.hexdigest()[:16]


def pinned_versions(module: Module) -> dict[str, str]:
    """The versions that the module's go.mod requires, by module path."""
    text = (module.folder / "go.mod").read_text()
    return dict(re.findall(r"^(?:require)?\s+(\S+) (v\S+)", text, re.MULTILINE))


def _arguments(module: Module) -> list[str]:
    variables = module.variables(pinned_versions(module)) if module.packages != (".",) else {}
    linker = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])
    return ["-trimpath", "-mod=readonly", "-ldflags", linker, *module.packages]


def _build(module: Module, go: str, folder: Path) -> None:
    print(f"building {module.name} from its Go modules (once for this lock)", file=sys.stderr, flush=True)
    began = time.monotonic()
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    log = folder.parent / f"{module.name}.log"
    with log.open("w") as output:
        done = subprocess.run(
            ["nice", "-n", "19", go, "build", "-o", f"{unfinished}/", *_arguments(module)],
            cwd=module.folder,
            env=os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise ClusterError(f"go could not build {module.name} (exit code {done.returncode}); see {log}")
    unfinished.rename(folder)
    print(f"built {module.name} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Lets one process at a time do what is inside; others wait for it. What is inside may delete the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists() or os.fstat(lock.fileno()).st_ino != path.stat().st_ino:
                continue  # who had it before deleted it, and somebody may already hold the next one
            yield
            return
