"""Lone surrogates, as names of files and damaged data hold them: what tells of them is sent, what is named by them refused."""

from __future__ import annotations

import asyncio
import threading

import pytest

from weir import OutputTag, StreamExecutionEnvironment
from weir.errors import ConfigError, FailureKind, GraphError
from weir.graph import codec as graph_codec
from weir.ids import AttemptId, Epoch, JobId, WorkerId
from weir.operators.failures import operator_failure
from weir.rpc import codec, messages
from weir.taskmanager.causes import failure_of
from weir.taskmanager.sampling import sample_stacks

EXECUTION = messages.Execution(JobId("a" * 32), Epoch(1), AttemptId(2))
HALF = "caf\udce9"
WRITTEN = r"caf\udce9"


def raised() -> Exception:
    """With a frame of this file."""
    try:
        raise ValueError(HALF)
    except ValueError as error:
        return error


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "of an operator"])
def test_a_failure_is_told_whatever_its_exception_quotes(wrapped):
    error = operator_failure(raised(), "'map'") if wrapped else raised()
    failure = failure_of(error, WorkerId("w1"), 0)
    told = codec.encode(messages.TaskFailed(execution=EXECUTION, failure=failure))
    heard = codec.decode_from_worker(told)
    assert heard.failure == failure
    assert f"ValueError: {WRITTEN}" in heard.failure.message
    assert f"ValueError: {WRITTEN}" in heard.failure.traceback
    assert heard.failure.kind is FailureKind.USER


def test_a_job_that_cannot_be_loaded_is_told():
    failed = graph_codec.LoadFailed(message=HALF, traceback=f"line\n{HALF}")
    heard = graph_codec.parse_load_answer(graph_codec.frame_load_answer(failed))
    assert (heard.message, heard.traceback) == (WRITTEN, f"line\n{WRITTEN}")


def test_stacks_are_told_whatever_threads_are_called():
    told: list[bytes] = []
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name=HALF, daemon=True)
    thread.start()
    question = messages.SampleStacks(trigger="t")
    asyncio.run(sample_stacks(question, lambda: "vertex", lambda message: told.append(codec.encode(message))))
    ended.set()
    thread.join()
    assert WRITTEN in codec.decode_of_worker(told[0]).threads


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("the job's name", {"name": HALF}),
        ("the path of its code", {"entrypoint": f"{HALF}.py"}),
        ("the path of its code", {"python_path": ("/a", HALF)}),
        ("an argument", {"args": ("in", HALF)}),
        ("the snapshot to start from", {"restore_from": HALF}),
        ("the folder of checkpoints", {"checkpoint_storage": HALF}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_job_that_no_process_could_be_told_of_is_refused(what, given):
    with pytest.raises(ConfigError, match=rf"{what} is not UTF-8 text: '.*caf\\udce9"):
        messages.JobSpec(**{"name": "job", "entrypoint": "jobs:build", **given})


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda env, rows: rows.uid(HALF), GraphError),
        (lambda env, rows: rows.name(HALF), GraphError),
        (lambda env, rows: rows.slot_sharing_group(HALF), GraphError),
        (lambda env, rows: OutputTag(HALF), ValueError),
        (lambda env, rows: env.set_config("state.checkpoints.dir", HALF), ConfigError),
    ],
    ids=["uid", "name", "group", "tag", "setting"],
)
def test_a_name_that_is_no_text_is_refused_where_it_is_given(call, error):
    env = StreamExecutionEnvironment()
    rows = env.from_collection([1])
    with pytest.raises(error, match=r"caf\\udce9"):
        call(env, rows)
