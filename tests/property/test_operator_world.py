"""The operator in a hostile world: specs change, pods and nodes die, the bucket goes away, reads are old, answers are lost,
requests are repeated, the status is wiped, and the operator is killed around its writes. ``tests/support/operator_walks.py``
says what must hold. A failing walk is shrunk; it can be pasted into ``Walk().go``."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.operator_walks import EDITS, Step, Walk

numbers = st.integers(0, 9)
flags = st.booleans()
edit = st.tuples(st.just("edit"), st.integers(0, len(EDITS) - 1))
passes = st.tuples(st.just("passes"), st.integers(1, 25))
disturbed = st.tuples(
    st.just("disturbed"),
    st.integers(1, 4),
    st.integers(1, 6),
    st.sampled_from(["kill_after", "kill_before", "lose_answer"]),
    st.integers(0, 6),
    st.integers(0, 2),
    flags,
)
steps: st.SearchStrategy[Step] = st.one_of(
    edit,
    edit,
    edit,
    passes,
    passes,
    passes,
    disturbed,
    disturbed,
    disturbed,
    st.tuples(st.just("away"), st.integers(1, 30)),
    st.tuples(st.sampled_from(["pod_dies", "node_lost", "deaf", "restore", "delete_child"]), numbers),
    st.tuples(st.sampled_from(["nodes_back", "wipe"])),
    st.tuples(st.sampled_from(["bucket_down", "reachable"]), flags),
    st.tuples(st.just("capacity"), st.integers(0, 8)),
    st.tuples(st.just("take_snapshot"), numbers, flags),
    st.tuples(st.sampled_from(["delete_snapshot", "use_snapshot"]), numbers),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(steps, min_size=15, max_size=60))
def test_whatever_happens_the_job_is_as_its_spec_asks_in_the_end_and_nothing_is_lost(
    walk: list[Step],
) -> None:
    world = Walk()
    world.go(walk)
    world.finish()
