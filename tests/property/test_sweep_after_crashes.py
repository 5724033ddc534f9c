"""A job lives and dies many times, in the middle of checkpoints and savepoints; when it rests, a sweep leaves what is referred to,
whole, and nothing else of its own (O22)."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.swept_lives import DEEDS, Lives, judge
from weir.storage import MemoryStorage
from weir.storage.memory import mount, unmount

buckets = itertools.count()
lives = st.lists(
    st.tuples(st.lists(st.sampled_from(DEEDS), max_size=4), st.booleans()), min_size=1, max_size=20
)


@settings(max_examples=60, deadline=None)
@given(lives)
def test_after_any_number_of_crashes_a_sweep_leaves_what_is_referred_to_and_nothing_else(
    lives: Lives,
) -> None:
    name = f"sweep-{next(buckets)}"
    storage = MemoryStorage(name)
    mount(name, storage)
    try:
        judge(storage, lives)
    finally:
        unmount(name)
