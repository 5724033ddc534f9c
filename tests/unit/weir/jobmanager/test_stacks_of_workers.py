"""Thread dumps and flame graphs from what workers answer: who is asked when, what is kept, and the tree that is drawn."""

from __future__ import annotations

import asyncio

from tests.support.checkpoints import ManualClock
from weir.ids import WorkerId
from weir.jobmanager.rest.views.flames import flame_graph
from weir.jobmanager.stacks import SAMPLES, YOUNG, FlameFacts, Stacks
from weir.rpc.messages import StackSample, StackSamples

A, B = WorkerId("tm-0.1"), WorkerId("tm-1.1")
ANSWER = StackSamples(
    trigger="t",
    samples=(StackSample("slow", ("main", "work"), 3), StackSample("", ("main", "wait"), 9)),
    threads={"MainThread": "stack"},
)


class Workers:
    """A answers, B does not."""

    def __init__(self) -> None:
        self.asked: list[tuple[WorkerId, int]] = []

    async def ask(self, worker: WorkerId, samples: int, _interval: float) -> StackSamples | None:
        self.asked.append((worker, samples))
        return ANSWER if worker == A else None


def test_a_worker_that_does_not_answer_is_left_out_of_a_dump() -> None:
    workers = Workers()
    found = asyncio.run(Stacks(workers.ask, ManualClock()).threads([A, B]))
    assert found == {A: {"MainThread": "stack"}}
    assert workers.asked == [(A, 1), (B, 1)]


def test_a_flame_graph_is_sampled_when_asked_for_and_again_when_it_is_old() -> None:
    async def scenario() -> None:
        workers, clock = Workers(), ManualClock()
        stacks = Stacks(workers.ask, clock)
        key = ("job", "slow", frozenset({A, B}))
        assert stacks.flame_graph(*key) is None
        assert stacks.flame_graph(*key) is None, "under way"
        await asyncio.sleep(0.01)
        facts = stacks.flame_graph(*key)
        assert facts is not None
        assert facts.samples == (ANSWER.samples[0],), "what ran for another vertex, or waited, is none of it"
        assert sorted(workers.asked) == [(A, SAMPLES), (B, SAMPLES)]
        clock.now += YOUNG + 1
        assert stacks.flame_graph(*key) is facts, "the old one until the new one is there"
        await asyncio.sleep(0.01)
        assert len(workers.asked) == 4

    asyncio.run(scenario())


def test_samples_become_a_tree_whose_parts_add_up() -> None:
    samples = (
        StackSample("v", ("main", "run", "work"), 3),
        StackSample("v", ("main", "run"), 1),
        StackSample("v", ("main", "poll"), 2),
    )
    graph = flame_graph(FlameFacts(17, samples))
    assert graph.end_timestamp == 17
    root = graph.data
    assert root is not None
    [main] = root.children
    assert (root.name, root.value, main.name, main.value) == ("root", 6, "main", 6)
    assert [(node.name, node.value) for node in main.children] == [("poll", 2), ("run", 4)]
    assert [(node.name, node.value) for node in main.children[1].children] == [("work", 3)]


def test_without_samples_there_is_a_root_and_before_the_first_there_is_no_data() -> None:
    assert flame_graph(None).data is None
    empty = flame_graph(FlameFacts(17, ())).data
    assert empty is not None
    assert (empty.value, empty.children) == (0, ())
