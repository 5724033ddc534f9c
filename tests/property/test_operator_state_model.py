"""Operator state over any sequence of rescales: nothing is lost, multiplied or disagreed upon."""

from hypothesis import given
from hypothesis import strategies as st

from weir.state import ListStateDescriptor, MapStateDescriptor, OperatorStateStore
from weir.state.rescale import assign_operator

ITEMS = ListStateDescriptor("items")
UNION = ListStateDescriptor("union")
RULES = MapStateDescriptor("rules")

elements = st.lists(st.tuples(st.integers(0, 9), st.text(max_size=2)), max_size=6)


def restarted(stores, parallelism):
    """New stores from the snapshots of the old ones, dealt by the assignment rules."""
    blobs = [store.snapshot() for store in stores]
    split_only = all(store.split_only for store in stores)
    fresh = []
    for index in range(parallelism):
        files = assign_operator(len(stores), parallelism, index, split_only)
        read = [blob for number in files.old_subtasks if (blob := blobs[number]) is not None]
        store = OperatorStateStore("model")
        store.restore(read, index, parallelism, files.own_only)
        fresh.append(store)
    return fresh


@given(
    st.lists(elements, min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=5),
)
def test_split_lists_keep_every_element_once(parts, restarts):
    stores = []
    for part in parts:
        stores.append(OperatorStateStore("model"))
        stores[-1].get_list_state(ITEMS).add_all(part)
    for parallelism, claim in [*restarts, (1, True)]:
        stores = restarted(stores, parallelism)
        if claim:
            lists = [store.get_list_state(ITEMS).get() for store in stores]
            assert sorted(item for part in lists for item in part) == sorted(
                item for part in parts for item in part
            )
    assert all(store.split_only for store in stores)


@given(
    st.lists(elements, min_size=1, max_size=4),
    st.dictionaries(st.integers(), st.text(max_size=2), max_size=4),
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=5),
)
def test_union_and_broadcast_state_are_equal_everywhere(parts, rules, restarts):
    stores = []
    for part in parts:
        stores.append(OperatorStateStore("model"))
        stores[-1].get_union_list_state(UNION).add_all(part)
        stores[-1].get_broadcast_state(RULES).put_all(rules)
    everything = sorted(item for part in parts for item in part)
    for parallelism, claim in [*restarts, (3, True)]:
        stores = restarted(stores, parallelism)
        if not claim:
            continue
        for index, store in enumerate(stores):
            union = store.get_union_list_state(UNION)
            assert sorted(union.get()) == everything
            assert dict(store.get_broadcast_state(RULES).items()) == rules
            # What a source does with it: keep the own share.
            union.update(sorted(union.get())[index :: len(stores)])
