"""``make demo``: prepares the input, runs the job with checkpoints on, and shows the result.

Each run starts afresh: results and checkpoints of an earlier demo are removed, the prepared input is kept.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from examples.flights.check import differences
from examples.flights.prepare import prepare

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = Path("out/flights")
SHOWN = 5


def show(folder: Path) -> None:
    parts = sorted((ROOT / folder).rglob("part-*"))
    lines = [line for part in parts for line in part.read_text().splitlines()]
    print(f"\n{folder}/  {len(lines)} lines in {len(parts)} files")
    for line in lines[:SHOWN]:
        print(f"  {line}")


def main() -> None:
    prepare(ROOT / OUT / "input")
    for name in ("result", "checkpoints"):
        shutil.rmtree(ROOT / OUT / name, ignore_errors=True)
    command = [sys.executable, "-m", "weir", "run", "examples/flights/flights.yaml"]
    ended = subprocess.run(command, cwd=ROOT, check=False)
    if ended.returncode:
        raise SystemExit(ended.returncode)
    show(OUT / "result" / "summary")
    show(OUT / "result" / "late")
    found = differences(ROOT / OUT / "input", ROOT / OUT / "result")
    print(
        "\nchecked without Weir: "
        + (f"{len(found)} lines differ" if found else "every line is there exactly once")
    )
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
