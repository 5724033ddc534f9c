"""The page of crash points: every ``crashpoints.hit`` in the code, and what brings a run of the tests there."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from tests.crash.points import ELSEWHERE, POINTS
from tests.crash.steering_points import CRASHES

_SOURCES = Path(__file__).resolve().parent.parent / "runtime/weir"
_HIT = re.compile(r'crashpoints\.hit\(\s*"([a-z0-9.-]+)"')
_HEAD = """\
# Crash points

At each of these {count} places a test kills a process with SIGKILL and compares the output of the job that goes on with a recomputation that knows nothing of Weir
(`tests/crash`, part of `make integration`; `python -m pytest tests/crash -k NAME` runs one). A test fails when a place in the code is missing there.

To kill a process of your own job at one: `WEIR_CRASH_POINT=NAME WEIR_CRASH_MARKER=/tmp/died weir run job.yaml`; `NAME:3` is the third time. The marker is made by the process that dies, so that
the one in its place lives. `WEIR_CRASH_LOG=FILE` writes down which places were passed, `WEIR_CRASH_SIGNAL=STOP` freezes instead.

| place | in | reached when |
|---|---|---|
"""


def crash_points() -> str:
    """``crash-points.md``."""
    found = sorted(
        (name, str(path.relative_to(_SOURCES)))
        for path in _SOURCES.rglob("*.py")
        for name in set(_HIT.findall(path.read_text()))
    )
    reached: dict[str, dict[str, None]] = defaultdict(dict)
    for point in POINTS:
        reached[point.name][f"{point.when.value}{_with(point.backend)}"] = None
    for crash in CRASHES:
        reached[crash.point][f"somebody {crash.asked.value}{_with(crash.backend)}"] = None
    for name in ELSEWHERE:
        reached[name]["a second process owns the job, or died twice"] = None
    rows = (f"| `{name}` | `{path}` | {'; '.join(reached[name])} |" for name, path in found)
    return _HEAD.format(count=len({name for name, _ in found})) + "\n".join(rows) + "\n"


def _with(backend: str) -> str:
    return "" if backend == "Memory" else f" ({backend})"
