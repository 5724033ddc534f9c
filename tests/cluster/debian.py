"""The Debian packages of a native cluster: which are missing, and their installation.

Their services are not started by it (``policy-rc.d`` says no for that time): the cluster runs the programs itself, in namespaces
of its own. Nothing is installed where nothing is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.errors import ClusterError

POLICY = Path("/usr/sbin/policy-rc.d")

#: The file that shows that a package is there (a command, or a place), and its package.
NATIVE = {
    "containerd": "containerd",
    "runc": "runc",
    "etcd": "etcd-server",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "nft": "nftables",
    "ip": "iproute2",
    "openssl": "openssl",
    "unshare": "util-linux",
    "mount": "mount",
}
#: For building an image where no container engine is.
BUILDING = {"buildah": "buildah", "debootstrap": "debootstrap"}


def missing_packages(needed: Mapping[str, str]) -> list[str]:
    """The packages whose programs are not here."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [package for file, package in needed.items() if not _found(file, path)]


def missing() -> str | None:
    """One line on what cannot be had here; None where all is here or can be installed."""
    packages = missing_packages(NATIVE)
    if packages and shutil.which("apt-get") is None:
        return f"missing: {', '.join(packages)} (Debian's names), and no apt-get to install them with"
    return None


def install(needed: Mapping[str, str] = NATIVE) -> None:
    """Installs what is missing, where there is an apt-get and who may use it; does nothing elsewhere.

    Raises:
        ClusterError: apt-get failed.
    """
    packages = missing_packages(needed)
    if not packages or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print(f"installing {' '.join(packages)} with apt-get", file=sys.stderr, flush=True)
    with _no_service_starts():
        _apt_get("update", "-qq")
        _apt_get("install", "-y", "-qq", "--no-install-recommends", *packages)


def _apt_get(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ClusterError(f"`apt-get {' '.join(arguments)}` failed: {done.stderr.strip()[-2000:]}")


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """The packages' scripts ask this file; 101 means that no service may be started."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _found(file: str, path: str) -> bool:
    return Path(file).exists() if file.startswith("/") else shutil.which(file, path=path) is not None
