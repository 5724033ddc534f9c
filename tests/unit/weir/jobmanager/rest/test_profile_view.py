"""The profile of a job: waiting by clocks, work divided as samples saw it."""

from __future__ import annotations

from weir.ids import VertexId
from weir.jobmanager.rest.views.profile import profile
from weir.jobmanager.stacks import FlameFacts
from weir.rpc.messages import StackSample
from weir.rpc.requests import TaskRates, TaskState, TaskStatus, VertexStatus

MAP, SINK = VertexId("map"), VertexId("sink")


def task(index: int, busy: int | None, waiting: int = 0) -> TaskStatus:
    rates = None
    if busy is not None:
        rates = TaskRates(
            busy_ms=busy,
            idle_ms=1000 - busy - waiting,
            backpressured_ms=waiting,
            records_in=1,
            records_out=1,
            bytes_in=1,
            bytes_out=1,
        )
    return TaskStatus(index=index, state=TaskState.RUNNING, rates=rates)


def vertex(name: VertexId, *tasks: TaskStatus) -> VertexStatus:
    return VertexStatus(
        id=name,
        name=f"the {name}",
        kind="task",
        parallelism=len(tasks),
        max_parallelism=128,
        records_in=1,
        records_out=1,
        tasks=tasks,
    )


def samples(ended_ms: int, **kinds: int) -> FlameFacts:
    return FlameFacts(
        ended_ms, tuple(StackSample("v", (kind,), count, kind) for kind, count in kinds.items())
    )


def test_busy_time_is_divided_as_samples_saw_it_and_shares_add_up():
    vertices = (vertex(MAP, task(0, 800, 200), task(1, 400)), vertex(SINK, task(0, 0)))
    found = profile(vertices, {MAP: samples(7, user=6, serialisation=3, engine=1), SINK: samples(9)})
    assert found.end_timestamp == 9
    first, second = found.vertices
    assert (first.name, first.samples, [each.busy for each in first.subtasks]) == ("the map", 10, [0.8, 0.4])
    assert (first.user, first.serialisation, first.engine, first.state) == (0.36, 0.18, 0.06, 0.0)
    assert (first.waiting_for_credit, first.idle) == (0.1, 0.3)
    for each in found.vertices:
        work = each.user + each.state + each.serialisation + each.network + each.engine
        assert abs(work + each.waiting_for_credit + each.idle - 1) < 0.001
    assert (second.samples, second.idle) == (0, 1.0)


def test_a_profile_waits_until_all_samples_are_taken():
    vertices = (vertex(MAP, task(0, 500)), vertex(SINK, task(0, 500)))
    waiting = profile(vertices, {MAP: samples(7, user=1), SINK: None})
    assert (waiting.end_timestamp, waiting.vertices) == (-1, ())


def test_vertices_that_do_not_run_are_left_out():
    vertices = (vertex(MAP, task(0, None)), vertex(SINK, task(0, 500)))
    assert profile(vertices, {MAP: samples(7, user=1)}).vertices == ()
    assert profile(vertices, {}).end_timestamp == 0
