"""Size of the base install: what ``pip install weir-stream`` puts into an empty environment.

``python -m benchmarks.install_size`` makes a temporary venv, installs this checkout into it without extras,
and prints the size of each distribution (installed files, byte code included) and their sum without pip
and setuptools. It ends with exit code 1 when the sum is above the budget.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUDGET_MB = 80
ROOT = Path(__file__).resolve().parent.parent

# Runs inside the new environment. A file counts with the bytes that it takes on disk, as du counts.
MEASURE = """
import importlib.metadata, json
def size(dist):
    paths = {dist.locate_file(file).resolve() for file in dist.files or ()}
    return sum(path.stat().st_blocks * 512 for path in paths if path.exists())
print(json.dumps({dist.name: size(dist) for dist in importlib.metadata.distributions()}))
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="weir-install-size-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        started = time.monotonic()
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)]
        subprocess.run(command, check=True)
        seconds = time.monotonic() - started
        sizes: dict[str, int] = json.loads(subprocess.check_output([python, "-c", MEASURE]))
    for name in ("pip", "setuptools"):
        sizes.pop(name, None)
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size / 1e6:8.1f} MB  {name}")
    total = sum(sizes.values()) / 1e6
    print(f"{total:8.1f} MB  in all (budget {BUDGET_MB} MB), installed in {seconds:.0f} s")
    sys.exit(total > BUDGET_MB)


if __name__ == "__main__":
    main()
