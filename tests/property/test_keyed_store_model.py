"""Keyed state on the heap over crashes and rescales against plain dicts: every key exactly once, nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.keyed_model import MAX_PARALLELISM, Bench, steps


@given(st.integers(1, MAX_PARALLELISM), st.lists(steps(["heap"]), max_size=40))
def test_any_program_over_any_rescales_equals_plain_dicts(parallelism, program):
    Bench(parallelism, "heap").run(program)
