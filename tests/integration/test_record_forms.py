"""One program with its events as dataclass, TypedDict, NamedTuple, Struct and pydantic model: run, killed and restored, all equal.

Scorecard row E3.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support import record_forms_job
from tests.support.processes import Run, resource
from tests.support.reference_rows import Reference

ROWS = 2000


@pytest.mark.parametrize("backend", ["FileSystem", "RocksDB"])
def test_events_of_every_form_are_in_state_what_they_were_before_a_kill(tmp_path: Path, backend: str) -> None:
    out, gate = tmp_path / "out", tmp_path / "gate"
    described = resource(
        Reference(out=str(out)),
        tmp_path,
        entrypoint="tests.support.record_forms_job:build",
        stateBackend={"type": backend},
        config={"state.backend.rocksdb.localdir": str(tmp_path / "local")},
    )
    described["spec"]["job"]["args"] = [f"out={out}", f"gate={gate}", f"rows={ROWS}"]
    with Run(tmp_path, described) as run:
        run.wait_completed(2)
        run.one("worker").signal(signal.SIGKILL)
        run.wait_completed(len(run.completed()) + 2)
        gate.touch()
        assert run.finish() == 0, run.story()
    rows = [json.loads(line) for part in out.glob("part-*") for line in part.read_text().splitlines()]
    told = lambda row: (row["form"], row["event"][1])
    assert sorted(rows, key=told) == sorted(record_forms_job.expected(ROWS), key=told)
