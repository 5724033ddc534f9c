"""Seconds from the start of ``pip install`` in an empty environment to the first result of the README's first job.

``python -m benchmarks.first_result`` does what the README's quick start says, with its own text, and ends with exit
code 1 above the budget. The speed of the package index is part of the number.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUDGET_SECONDS = 60
ROOT = Path(__file__).resolve().parent.parent


def quick_start(folder: Path) -> str:
    """Write the README's job to ``folder``; its shell commands."""
    readme = (ROOT / "README.md").read_text()
    [job] = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    (folder / "counts.py").write_text(job)
    commands: str = re.findall(r"^```sh\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)[1]
    return commands


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="weir-first-result-") as name:
        folder = Path(name)
        commands = quick_start(folder)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        started = time.monotonic()
        python = str(folder / "venv/bin/python")
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)], check=True
        )
        installed = time.monotonic()
        environment = {**os.environ, "PATH": f"{folder / 'venv/bin'}:{os.environ['PATH']}"}
        printed = subprocess.run(
            ["/usr/bin/env", "bash", "-e", "-c", commands],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        ended = time.monotonic()
    print(printed, end="")
    print(f"pip install {installed - started:5.1f} s")
    print(f"first job   {ended - installed:5.1f} s")
    print(f"in all      {ended - started:5.1f} s (budget {BUDGET_SECONDS} s)")
    sys.exit(ended - started > BUDGET_SECONDS)


if __name__ == "__main__":
    main()
