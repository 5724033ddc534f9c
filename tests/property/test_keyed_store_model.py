"""Keyed state on the heap over crashes and rescales against plain dicts: every key exactly once, nothing else.

Snapshots are of the moment at which they begin, whatever is written before they end: also where tables stand still for them.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.keyed_model import MAX_PARALLELISM, Bench, open_heap, open_standing_heap, steps

BEGIN, TEND, END = ("begin snapshot", None, None), ("tend", None, 4), ("end snapshot", None, 0)
READ = ("write some of a snapshot", None, 6)


@pytest.mark.parametrize("open_store", [open_heap, open_standing_heap])
@given(st.integers(1, MAX_PARALLELISM), st.lists(steps(["heap"]), max_size=40))
@example(
    1, [("update", 1, 1), BEGIN, ("clear", 1, "value"), BEGIN, ("update", 1, 2), ("end snapshot", None, 1)]
)
@example(1, [("update", 1, 1), BEGIN, ("clear", 1, "value"), BEGIN, ("add", 1, 1)])
@example(1, [("update", 1, [1]), BEGIN, ("change in place", 1, 2), BEGIN, ("change in place", 1, 3)])
@example(1, [("aggregate", 1, 1), BEGIN, ("aggregate", 1, 1), BEGIN, ("aggregate", 1, 1), BEGIN])
@example(1, [("put", 1, ("x", [1])), BEGIN, ("fold in place", 1, ("x", 2)), BEGIN, ("take", 1, "x")])
@example(
    1, [("register", 1, 5), BEGIN, ("delete", 1, 5), BEGIN, ("register", 1, 5), ("fire", None, 9), BEGIN]
)
@example(1, [("add", 1, 1), *[step for n in range(9) for step in (BEGIN, ("add", n, n))], TEND])
@example(
    1,
    [
        *(("update", 1, 1), BEGIN, ("update", 1, 2), ("update", 2, 1), ("clear", 1, "value"), BEGIN, END),
        *(READ, TEND, ("update", 1, 3), ("clear", 2, "value"), BEGIN, END, READ, TEND, ("update", 2, 4)),
        TEND,
    ],
)
@example(1, [("put", 1, ("x", [1])), BEGIN, ("fold in place", 1, ("x", 2)), BEGIN, END, READ, TEND, BEGIN])
def test_any_program_over_any_rescales_equals_plain_dicts(open_store, parallelism, program):
    Bench(parallelism, "heap", open_store).run(program)


@given(st.integers(1, MAX_PARALLELISM), st.lists(steps(["heap"]), max_size=40))
def test_the_same_holds_for_state_with_a_time_to_live(parallelism, program):
    Bench(parallelism, "heap", open_standing_heap, mortal=True).run(program)
