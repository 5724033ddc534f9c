"""Who sets what: settings in layers, lowest first, and for each key the one that wins.

Built-in default, configuration file, ``spec.config``, environment, the job's code, a set field of the StreamJob, a flag
of the command line. ``explain`` tells the winner and everybody whom it overrules.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from weir.config import options
from weir.config.options import Option
from weir.config.yaml_entries import Entry, Fault, listed, read_document
from weir.errors import ConfigError

#: The variable that names the configuration file.
CONFIG_VARIABLE = "WEIR_CONFIG"


class Origin(enum.StrEnum):
    """Where a setting comes from, lowest first."""

    DEFAULT = "default"
    FILE = "file"
    CONFIG = "config"  #: ``spec.config`` of the StreamJob
    ENVIRONMENT = "environment"
    CODE = "code"
    RESOURCE = "resource"  #: a field of the StreamJob that is set
    FLAG = "flag"


@dataclass(frozen=True)
class Layer:
    """Settings of one origin."""

    origin: Origin
    settings: Mapping[str, str]
    #: By key: where exactly, e.g. ``job.yaml:12, spec.checkpoints.interval``.
    places: Mapping[str, str] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """Where exactly ``key`` is set."""
        return self.places.get(key, _PLACES.get(self.origin, ""))


_PLACES = {Origin.CODE: "the job's code"}


class SetValue(NamedTuple):
    """One layer's word on a key."""

    origin: Origin
    value: str
    place: str


@dataclass(frozen=True)
class Explanation:
    """A key, what holds for it, and why."""

    option: Option[Any]
    #: Highest first; empty: the built-in default holds.
    said: tuple[SetValue, ...]

    @property
    def origin(self) -> Origin:
        """Who won."""
        return self.said[0].origin if self.said else Origin.DEFAULT

    @property
    def place(self) -> str:
        """Where exactly the winner is."""
        return self.said[0].place if self.said else ""

    @property
    def default(self) -> str:
        """The built-in default as text."""
        return self.option.kind.show(self.option.default)

    @property
    def value(self) -> str:
        """What holds. Raises ``ConfigError`` when that is no value of the key."""
        if not self.said:
            return self.default
        try:
            return self.option.kind.show(self.option.kind.parse(self.said[0].value))
        except ValueError:
            raise ConfigError(
                f"{self.option.key}: got {self.said[0].value!r} (set by {self.place}), "
                f"expected {self.option.kind.accepted}"
            ) from None


def explain(key: str, layers: Iterable[Layer]) -> Explanation:
    """Who sets ``key``; ``layers`` lowest first. Raises ``ConfigError`` naming the nearest key."""
    if key not in options.OPTIONS:
        raise options.unknown_key(key)
    said = [
        SetValue(layer.origin, layer.settings[key], layer.place(key))
        for layer in layers
        if key in layer.settings
    ]
    return Explanation(options.OPTIONS[key], tuple(reversed(said)))


def merged(layers: Iterable[Layer]) -> dict[str, str]:
    """The settings of the layers, higher ones over lower ones."""
    return {key: value for layer in layers for key, value in layer.settings.items()}


def places(layers: Iterable[Layer]) -> dict[str, str]:
    """By key: where the value is that :func:`merged` gives."""
    return {key: layer.place(key) for layer in layers for key in layer.settings}


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Settings that ``WEIR_*`` variables give. Raises ``ConfigError`` for a wrong value."""
    found = options.settings_from_environment(environ)
    return Layer(
        Origin.ENVIRONMENT,
        found,
        {key: f"the environment variable {options.environment_key(key)}" for key in found},
    )


def file_layer(environ: Mapping[str, str], path: str | None = None) -> Layer:
    """Settings of the configuration file ``path``, else of the one that ``WEIR_CONFIG`` names; else none.

    The file is YAML with keys as they are or nested at their dots. Raises ``ConfigError`` with every fault.
    """
    path = path or environ.get(CONFIG_VARIABLE)
    if not path:
        return Layer(Origin.FILE, {})
    faults: list[Fault] = []
    settings: dict[str, str] = {}
    lines: dict[str, int] = {}
    for key, entry in _flat(read_document(path, "settings (keys and values)"), "", faults):
        if key in lines:
            faults.append(Fault(entry.line, f"{key} is there twice, first in line {lines[key]}"))
            continue
        lines[key] = entry.line
        try:
            settings[key] = options.setting_text(key, entry.value)
        except ConfigError as error:
            faults.append(Fault(entry.line, str(error)))
    if faults:
        raise ConfigError(listed(path, faults))
    return Layer(Origin.FILE, settings, {key: f"{path}:{line}" for key, line in lines.items()})


def _flat(entry: Entry, lead: str, faults: list[Fault]) -> list[tuple[str, Entry]]:
    found: list[tuple[str, Entry]] = []
    for name, child in entry.value.items():
        key = f"{lead}{name}"
        if isinstance(child.value, dict):
            found += _flat(child, f"{key}.", faults)
        elif isinstance(child.value, list):
            faults.append(Fault(child.line, f"{key}: got a list, expected one value"))
        elif child.value is not None:
            found.append((key, child))
    return found
