"""One run of Weir as a contestant: everything on, and a checkpoint each second to a local folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import ROOT


def run_weir(
    entrypoint: str, arguments: list[str], scratch: Path, settings: Mapping[str, str] | None = None
) -> float:
    """Rows per second of a job whose last argument is made here: the file that it writes its rate to.

    A job of several sources writes one each, by that name and an ending; the rate is that of all together.
    """
    result = scratch / "weir.json"
    command = [
        sys.executable, "-m", "weir", "run", entrypoint,
        "--set", "execution.checkpointing.interval=1s",
        "--set", "restart-strategy.type=none",
        "--set", f"state.checkpoints.dir={scratch / 'checkpoints'}",
        *(word for key, value in (settings or {}).items() for word in ("--set", f"{key}={value}")),
        "--", *arguments, str(result),
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(
            f"{entrypoint} {' '.join(arguments)} failed:\n{(ended.stdout + ended.stderr)[-3000:]}"
        )
    found = [json.loads(part.read_text())["rate"] for part in scratch.glob("weir.json*")]
    if not found:
        raise SystemExit(f"{entrypoint} {' '.join(arguments)} ended and wrote no rate")
    return float(sum(found))
