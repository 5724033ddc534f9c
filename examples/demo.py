"""Runs an example from its input to a checked result; ``python -m examples.flights`` is made of it.

Each run starts afresh: results and checkpoints of an earlier one are removed, the prepared input is kept.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from examples.exactness import Lines, differences

ROOT = Path(__file__).resolve().parent.parent
SHOWN = 5


def show(folder: Path) -> None:
    """How much was written, and a few lines of it."""
    parts = sorted((ROOT / folder).rglob("part-*"))
    lines = [line for part in parts for line in part.read_text().splitlines()]
    print(f"\n{folder}/  {len(lines)} lines in {len(parts)} files")
    for line in lines[:SHOWN]:
        print(f"  {line}")


def main(name: str, prepare: Callable[[Path], None], expected: Callable[[Path], Lines]) -> None:
    """Prepare ``out/NAME/input``, run ``examples/NAME/NAME.yaml`` and compare; the exit code says how it went."""
    out = Path("out") / name
    prepare(ROOT / out / "input")
    for folder in ("result", "checkpoints"):
        shutil.rmtree(ROOT / out / folder, ignore_errors=True)
    command = [sys.executable, "-m", "weir", "run", f"examples/{name}/{name}.yaml"]
    ended = subprocess.run(command, cwd=ROOT, check=False)
    if ended.returncode:
        raise SystemExit(ended.returncode)
    wanted = expected(ROOT / out / "input")
    for result in wanted:
        show(out / "result" / result)
    found = differences(wanted, ROOT / out / "result")
    print(
        "\nchecked without Weir: "
        + (f"{len(found)} lines differ" if found else "every line is there exactly once")
    )
    raise SystemExit(bool(found))
