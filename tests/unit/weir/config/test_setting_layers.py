"""Who sets what: layers over each other, the winner, the overruled, and how they are told."""

from __future__ import annotations

import itertools

import pytest

from weir.config import (
    OPTIONS,
    JobOptions,
    Layer,
    Origin,
    environment_layer,
    explain,
    merge_settings,
    merged,
    places,
)
from weir.errors import ConfigError

KEY = "heartbeat.interval"
ABOVE_DEFAULT = [origin for origin in Origin if origin is not Origin.DEFAULT]


def layers(*origins: Origin) -> list[Layer]:
    """In their order; each sets the key to as many seconds as its place in the order of origins."""
    return [
        Layer(origin, {KEY: f"{number}s"}, {KEY: f"place {number}"})
        for number, origin in enumerate(Origin)
        if origin in origins
    ]


@pytest.mark.parametrize("pair", list(itertools.combinations(ABOVE_DEFAULT, 2)), ids="-".join)
def test_the_higher_layer_wins_and_the_lower_one_is_told(pair):
    lower, higher = pair
    found = explain(KEY, layers(lower, higher))
    assert found.origin is higher
    assert [said.origin for said in found.said] == [higher, lower]
    assert merged(layers(lower, higher))[KEY] == found.said[0].value
    assert places(layers(lower, higher))[KEY] == found.place


def test_without_layers_the_built_in_default_holds():
    found = explain(KEY, ())
    assert (found.origin, found.value, found.place) == (Origin.DEFAULT, "2s", "")


def test_a_value_is_shown_as_people_write_it():
    assert explain(KEY, [Layer(Origin.FLAG, {KEY: "90s"})]).value == "1m30s"
    mode = "execution.checkpointing.mode"
    assert explain(mode, [Layer(Origin.FLAG, {mode: "AtLeastOnce"})]).value == "AT_LEAST_ONCE"


@pytest.mark.parametrize("key", OPTIONS)
def test_each_default_is_shown_and_what_is_shown_is_read_back(key):
    found = explain(key, ())
    if found.default != "not set":
        assert OPTIONS[key].kind.parse(found.default) == OPTIONS[key].default


def test_an_unknown_key_is_refused_with_the_nearest_one():
    with pytest.raises(
        ConfigError, match=r"unknown setting hearbeat.interval; did you mean heartbeat.interval\?"
    ):
        explain("hearbeat.interval", ())


def test_a_wrong_value_names_who_set_it():
    found = explain(KEY, [Layer(Origin.CODE, {KEY: "soon"})])
    with pytest.raises(
        ConfigError, match=r"heartbeat.interval: got 'soon' \(set by the job's code\), expected"
    ):
        _ = found.value


def test_the_variable_is_named_as_the_place():
    layer = environment_layer({"WEIR_HEARTBEAT_INTERVAL": "3s", "OTHER": "1"})
    assert layer.settings == {KEY: "3s"}
    assert layer.place(KEY) == "the environment variable WEIR_HEARTBEAT_INTERVAL"


def test_messages_about_wrong_values_name_the_place():
    said = {KEY: "conf.yaml:3"}
    with pytest.raises(ConfigError, match=r"got 'x' \(set by conf.yaml:3\)"):
        JobOptions.from_settings(merge_settings({KEY: "x"}, {}, {}, said))
    with pytest.raises(ConfigError, match=r"got 'x' \(set by the job's code\)"):
        JobOptions.from_settings(merge_settings({KEY: "1s"}, {KEY: "x"}, {}, said))
    with pytest.raises(ConfigError, match=r"got 'x' \(set by --set\)"):
        JobOptions.from_settings(merge_settings({}, {KEY: "1s"}, {KEY: "x"}, {KEY: "--set"}))
