"""Laws of keys and key groups, for any keys and any parallelism."""

from datetime import date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from weir.keygroups import KeyRouter, canonical_bytes, key_group, key_group_range, subtask_of

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from([0.5, -0.0, 1.0, 1e300]),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.decimals(allow_nan=False, min_value=-(10**6), max_value=10**6, places=3),
    st.dates(date(2024, 1, 1), date(2024, 1, 3)),
    st.datetimes(datetime(2024, 1, 1), datetime(2024, 1, 2)),  # noqa: DTZ001  naive keys
    st.datetimes(
        datetime(2024, 1, 1),  # noqa: DTZ001  the zone is drawn apart
        datetime(2024, 1, 2),  # noqa: DTZ001
        timezones=st.integers(-12, 12).map(lambda hours: timezone(timedelta(hours=hours))),
    ),
    st.timedeltas(),
    st.uuids(),
)
keys = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
max_parallelisms = st.one_of(st.integers(1, 300), st.just(32768))


@given(st.lists(keys, max_size=30))
def test_equal_keys_have_equal_encodings_and_others_do_not(some):
    for left in some:
        for right in some:
            assert (left == right) == (canonical_bytes(left) == canonical_bytes(right))


@given(max_parallelisms, st.data())
def test_ranges_partition_the_key_groups_and_subtask_of_inverts_them(max_parallelism, data):
    parallelism = data.draw(st.integers(1, min(max_parallelism, 300)))
    groups = []
    for index in range(parallelism):
        owned = key_group_range(max_parallelism, parallelism, index)
        assert len(owned) > 0
        assert {subtask_of(group, max_parallelism, parallelism) for group in owned[:50]} == {index}
        assert subtask_of(owned[-1], max_parallelism, parallelism) == index
        groups.extend(owned)
    assert groups == list(range(max_parallelism))


@given(st.lists(keys, max_size=20), st.integers(1, 64), st.data())
def test_a_router_sends_a_key_to_the_owner_of_its_group(some, parallelism, data):
    max_parallelism = data.draw(st.integers(parallelism, 300))
    router = KeyRouter(max_parallelism, parallelism, limit=5)
    for key, target in zip(some, router.route(some), strict=True):
        assert key_group(key, max_parallelism) in key_group_range(max_parallelism, parallelism, target)
