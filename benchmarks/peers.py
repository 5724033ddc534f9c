"""Environments of the peers, made once below ``.weir/peers`` by pip, apart from Weir's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".weir" / "peers"


def python_with(package: str, *more: str) -> str:
    """The interpreter of an environment that has ``package`` and ``more``, installed on first use."""
    home = PEERS / package.split("=", maxsplit=1)[0]
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        print(f"installing {package} into an environment of its own (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", package, *more], check=True)
        (home / "installed").touch()
    return str(python)
