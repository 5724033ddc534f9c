"""Faults of jobs and of their input: one message each, on a cluster that lives on and beside a job that runs on.

All jobs meet the same local cluster of real processes. What ``weir run`` would print is checked, not only what is kept:
the user's line first, then what was wrong and what to do; never a frame of the engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import bad_jobs
from tests.support.processes import wait_for
from weir.cli import run_report
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus

JOBS = Path(bad_jobs.__file__)
LIMIT = 60.0
CHECKPOINTS = {"execution.checkpointing.interval": "200ms"}


@dataclass(frozen=True)
class Fault:
    """A job of ``bad_jobs`` and what its message must say; ``{folder}`` is the test's own folder."""

    says: tuple[str, ...]
    args: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    #: Whether the message begins with the marked line.
    placed: bool = True


FAULTS = {
    "build_raises": Fault(("KeyError: 'regoin'", "in bad_jobs:build_raises")),
    "build_exits": Fault(("exit code 5", "while the job was loaded"), placed=False),
    "build_hangs": Fault(
        ("did not end within 1 s (job.load-timeout)", "longer job.load-timeout"),
        settings={"job.load-timeout": "1s"},
        placed=False,
    ),
    "duplicate_uid": Fault(("'Collection'", "'Map'", "same uid 'numbers'", "a uid of its own")),
    "too_parallel": Fault(("'Map'", "parallelism 300", "max parallelism is 128", "lower the parallelism")),
    "keyed_function_without_key": Fault(("Counting", "KeyedProcessFunction", "put key_by(...) before it")),
    "not_replayable": Fault(
        ("source 'feed'", "EXACTLY_ONCE", "set execution.checkpointing.mode to AT_LEAST_ONCE"),
        settings=CHECKPOINTS,
    ),
    "reads_its_output": Fault(
        ("reads {folder}/in", "writes to {folder}/in/out", "outside the input"),
        args=("{folder}/in", "{folder}/in/out"),
    ),
    "state_without_key": Fault(("state 'count'", "'Process'", "put key_by(...) before it")),
    "state_used_in_open": Fault(("state 'count'", "without a key", "not in open() or close()")),
    "state_asked_for_late": Fault(("state 'count'", "get state in open()")),
    "wrong_parameters": Fault(("OneParameter.process_element takes 1", "the engine gives it 2")),
    "missing_input": Fault(
        ("the input {folder}/nowhere does not exist", "check the path"), args=("{folder}/nowhere",)
    ),
    "no_file_matches": Fault(("no file matches {folder}/*.tsv", "check the path"), args=("{folder}/*.tsv",)),
    "target_not_writable": Fault(
        ("{folder}/file/out", "below a file", "give a folder"), args=("{folder}/file/out",)
    ),
    "broken_csv": Fault(
        ("broken.csv, line 3 (byte 8)", "3 fields, but the header names 2", "'1,2,3", "on_error='skip'"),
        args=("{folder}/broken.csv",),
    ),
    "broken_json": Fault(
        ("broken.jsonl, line 2 (byte 8)", "not a JSON value", "'{\"a\":'", "on_error='skip'"),
        args=("{folder}/broken.jsonl",),
    ),
    "function_raises": Fault(("ZeroDivisionError", "operator 'Map'", "record 0")),
    "builtin_raises": Fault(("ValueError: invalid literal", "operator 'Map'", "record 'two'")),
    "returns_no_iterable": Fault(("<lambda> returned int 42", "expected an iterable", "record 21")),
    "key_without_hash": Fault(("a key of type list is not hashable: [1]", "use a tuple")),
    "state_of_another_type": Fault(("state 'count'", "key 7", "declared int, got str: 'many'", "correct")),
    "no_json_value": Fault(("type object as JSON", "map it to plain values first"), args=("{folder}/json",)),
    "hangs": Fault(
        ("did not return from one call for", "task.stall-timeout is 1 s", "raise task.stall-timeout"),
        settings={"task.stall-timeout": "1s"},
    ),
    "spins": Fault(("did not return from one call for",), settings={"task.stall-timeout": "1s"}),
    "exits": Fault(("exit code 3", "os._exit(3)")),
    "exits_by_sys": Fault(("SystemExit: enough", "operator 'Map'")),
}


def marked_line(name: str) -> int:
    lines = JOBS.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# <- {name}"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(slots=1, task_managers=2, environment={"WEIR_LOG_LEVEL": "CRITICAL"}) as running:
        yield running


@pytest.fixture(scope="module")
def bystander(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[JobId, Path]:
    """A healthy job that runs beside all the others."""
    folder = tmp_path_factory.mktemp("bystander")
    job = cluster.submit(spec("counts", (str(folder / "out"),), CHECKPOINTS, folder))
    wait_for(lambda: cluster.status(job).state is JobState.RUNNING, "the bystander runs", LIMIT)
    return job, folder / "out"


def spec(name: str, args: tuple[str, ...], settings: dict[str, str], folder: Path) -> JobSpec:
    return JobSpec(
        name=name,
        entrypoint=f"bad_jobs:{name}",
        args=args,
        python_path=(str(JOBS.parent),),
        overrides=settings,
        checkpoint_storage=(folder / "checkpoints").as_uri(),
    )


def broken_files(folder: Path) -> None:
    (folder / "in").mkdir()
    (folder / "in/lines.txt").write_text("one\n")
    (folder / "file").write_text("a file, no folder\n")
    (folder / "broken.csv").write_text("a,b\n1,2\n1,2,3\n")
    (folder / "broken.jsonl").write_text('{"a":1}\n{"a":\n')


def check_message(status: JobStatus, name: str, says: tuple[str, ...], placed: bool) -> None:
    """What ``weir run`` prints about a job that failed."""
    printed = run_report.summary(status, interrupted=False)
    first = printed[0]
    if placed:
        place = rf"weir: \S*bad_jobs\.py:{marked_line(name)}\b"
        assert re.match(place, first), f"{first}\ndoes not begin with line {marked_line(name)} of bad_jobs.py"
    assert [text for text in says if text not in first] == [], first
    whole = "\n".join(printed)
    assert "/runtime/weir/" not in whole, whole
    assert "weir: cause: user" in whole, whole
    assert "weir.errors." not in whole, f"said twice: {whole}"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_once_with_the_users_line_first_and_the_next_step(
    cluster: LocalCluster, bystander: tuple[JobId, Path], tmp_path: Path, name: str
) -> None:
    fault = FAULTS[name]
    broken_files(tmp_path)
    jobmanager = cluster.jobmanager_pid
    placed = {"folder": str(tmp_path)}
    args = tuple(text.format(**placed) for text in fault.args)
    job = cluster.submit(spec(name, args, fault.settings, tmp_path))
    status = cluster.wait(job, timeout=LIMIT)
    assert status.state is JobState.FAILED
    says = tuple(text.replace("{folder}", str(tmp_path)) for text in fault.says)
    check_message(status, name, says, fault.placed)
    assert cluster.jobmanager_pid == jobmanager
    assert cluster.status(bystander[0]).state is JobState.RUNNING


def test_at_least_once_takes_a_source_that_cannot_replay_if_it_is_asked_for(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    settings = {**CHECKPOINTS, "execution.checkpointing.mode": "AT_LEAST_ONCE"}
    job = cluster.submit(spec("not_replayable", (), settings, tmp_path))
    assert cluster.wait(job, timeout=LIMIT).state is JobState.FINISHED


def test_the_job_beside_all_these_was_never_disturbed(
    cluster: LocalCluster, bystander: tuple[JobId, Path]
) -> None:
    job, out = bystander
    before = cluster.status(job).checkpoints.completed
    wait_for(
        lambda: cluster.status(job).checkpoints.completed >= before + 2, "it completes checkpoints", LIMIT
    )
    status = cluster.status(job)
    assert (status.state, status.restarts) == (JobState.RUNNING, 0)
    cluster.cancel(job)
    cluster.wait(job, timeout=LIMIT)
    rows = [json.loads(line) for part in sorted(out.glob("part-*")) for line in part.read_text().splitlines()]
    numbers = sorted(number for number, _ in rows)
    assert numbers == list(range(len(numbers)))
    assert all(count == number // 7 + 1 for number, count in rows)
