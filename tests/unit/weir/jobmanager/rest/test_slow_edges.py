"""Which edge of a running job is slow: where rows wait for credit, and whose fault that is."""

from __future__ import annotations

import pytest

from weir.graph.physical import VertexKind
from weir.ids import VertexId, WorkerId
from weir.jobmanager.rest.views.slow_edge import slow_edge, told
from weir.rpc.requests import TaskRates, TaskState, TaskStatus, VertexStatus
from weir.rpc.task_gauges import ChannelGauge, TaskGauges


def task(
    worker: str,
    *,
    busy: int = 0,
    pressed: int = 0,
    starved: tuple[str, int] | None = None,
    full: float = 0.0,
    state: TaskState = TaskState.RUNNING,
) -> TaskStatus:
    """``starved``: the vertex to which rows do not get, and for how many milliseconds a second."""
    slowest = None
    if starved is not None:
        slowest = ChannelGauge(
            vertex=VertexId(starved[0]), index=0, starved_ms=starved[1], bytes_out=61_000.0
        )
    return TaskStatus(
        index=0,
        state=state,
        worker=WorkerId(worker),
        gauges=TaskGauges(slowest=slowest, input_used=full),
        rates=TaskRates(
            busy_ms=busy,
            idle_ms=1000 - busy - pressed,
            backpressured_ms=pressed,
            records_in=0.0,
            records_out=0.0,
            bytes_in=0.0,
            bytes_out=0.0,
        ),
    )


def vertex(name: str, found: TaskStatus) -> VertexStatus:
    return VertexStatus(
        id=VertexId(name),
        name=name,
        kind=VertexKind.TASK,
        parallelism=1,
        max_parallelism=128,
        records_in=0,
        records_out=0,
        tasks=(found,),
    )


def job(**tasks: TaskStatus) -> list[VertexStatus]:
    return [vertex(name, found) for name, found in tasks.items()]


def test_a_receiver_that_waits_for_rows_tells_of_a_slow_link() -> None:
    found = slow_edge(
        job(rows=task("one-1", pressed=900, starved=("count", 930)), count=task("two-1", busy=20))
    )
    assert found is not None
    assert (found.cause, found.starved, found.bytes_out) == ("link", 930, 61_000.0)
    assert (
        told(found)
        == "'rows' (0) on one -> 'count' (0) on two: the receiver waits for rows, so the link is slow"
    )


@pytest.mark.parametrize(
    "receiver", [task("two-1", busy=990), task("two-1", full=0.9), task("one-1", busy=100)]
)
def test_a_receiver_that_works_or_has_rows_waiting_or_is_in_the_same_worker_is_slow_itself(
    receiver: TaskStatus,
) -> None:
    found = slow_edge(job(rows=task("one-1", starved=("count", 930)), count=receiver))
    assert found is not None and found.cause == "receiver"
    assert told(found).endswith("the receiver does not keep up")


def test_the_edge_behind_which_pressure_begins_is_named_and_not_those_before_it() -> None:
    found = slow_edge(
        job(
            rows=task("one-1", pressed=990, starved=("count", 990)),
            count=task("two-1", pressed=900, starved=("out", 800)),
            out=task("three-1", busy=950),
        )
    )
    assert found is not None and (found.source.name, found.target.name) == ("count", "out")


def test_no_edge_is_slow_where_credit_comes_back_or_nothing_runs() -> None:
    assert slow_edge(job(rows=task("one-1", starved=("count", 300)), count=task("two-1"))) is None
    assert slow_edge(job(rows=task("one-1"), count=task("two-1"))) is None
    ended = task("one-1", starved=("count", 990), state=TaskState.FINISHED)
    assert slow_edge(job(rows=ended, count=task("two-1"))) is None
    assert slow_edge(job(rows=task("one-1", starved=("gone", 990)))) is None
    assert told(None) == ""
