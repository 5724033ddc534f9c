"""State with a time to live on the heap; the same cases run on RocksDB in tests/integration/test_backends_agree.py."""

from datetime import timedelta

import pytest

from tests.support.mortal_state import CASES, KINDS, World
from weir import StateTtlConfig
from weir.errors import StateAccessError
from weir.state import KeyedStateStore, ListStateDescriptor, OperatorStateStore, ValueStateDescriptor


def on_the_heap(cell, clock):
    return KeyedStateStore(cell, 128, range(128), "op", clock=clock)


def standing_still(cell, clock):
    store = on_the_heap(cell, clock)
    store.small = 0
    return store


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("open_store", [on_the_heap, standing_still])
def test_state_that_expires(open_store, case, kind):
    case(World(open_store, kind))


@pytest.mark.parametrize("ttl", [0, "0s", timedelta(0), "soon"])
def test_no_duration_above_zero_is_refused_with_what_was_given(ttl):
    with pytest.raises(StateAccessError, match="time to live"):
        StateTtlConfig(ttl)


def test_operator_state_has_no_time_to_live():
    descriptor = ListStateDescriptor("offsets", int)
    descriptor.enable_time_to_live(StateTtlConfig("1h"))
    with pytest.raises(
        StateAccessError, match="'offsets' of operator op has a time to live, which is for state by key"
    ):
        OperatorStateStore("op").get_list_state(descriptor)


def test_another_time_to_live_under_the_same_name_is_another_declaration():
    store = on_the_heap(World(on_the_heap, "value").cell, None)
    store.get_state(ValueStateDescriptor("seen", int))
    other = ValueStateDescriptor("seen", int)
    other.enable_time_to_live(StateTtlConfig("1h"))
    with pytest.raises(StateAccessError, match="declares state 'seen' twice"):
        store.get_state(other)
