"""Laws of channels, durations and code hashes, over many inputs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weir.config import format_duration, parse_duration
from weir.graph.logical import Partitioning
from weir.graph.partitioning import channels_of, sources_of

PARALLELISM = st.integers(1, 40)


@given(PARALLELISM, PARALLELISM, st.sampled_from(sorted(set(Partitioning) - {Partitioning.FORWARD})))
def test_senders_and_receivers_agree_on_their_channels(sources, targets, partitioning):
    sending = {(s, t) for s in range(sources) for t in channels_of(partitioning, sources, targets, s)}
    receiving = {(s, t) for t in range(targets) for s in sources_of(partitioning, sources, targets, t)}
    assert sending == receiving


@given(PARALLELISM, PARALLELISM)
def test_rescale_leaves_no_subtask_out_and_needs_no_more_channels_than_the_wider_side(sources, targets):
    pairs = {(s, t) for s in range(sources) for t in channels_of(Partitioning.RESCALE, sources, targets, s)}
    assert {s for s, _ in pairs} == set(range(sources))
    assert {t for _, t in pairs} == set(range(targets))
    assert len(pairs) == max(sources, targets)


@given(st.integers(0, 10**9))
def test_a_duration_of_whole_milliseconds_survives_its_text(milliseconds):
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds
