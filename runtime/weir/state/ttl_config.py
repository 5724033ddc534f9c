"""How long state lives: the configuration that a descriptor carries. Names are PyFlink's, event time is ours."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, TypeAlias

from weir.config.values import parse_duration
from weir.errors import StateAccessError


class UpdateType(enum.Enum):
    """What gives a value its full time again."""

    OnCreateAndWrite = "OnCreateAndWrite"
    OnReadAndWrite = "OnReadAndWrite"


class StateVisibility(enum.Enum):
    """Whether a value whose time is over is still seen until it is removed."""

    NeverReturnExpired = "NeverReturnExpired"
    ReturnExpiredIfNotCleanedUp = "ReturnExpiredIfNotCleanedUp"


class TtlTimeCharacteristic(enum.Enum):
    """Which clock counts: the machine's, or the watermark from an element's own time on."""

    ProcessingTime = "ProcessingTime"
    EventTime = "EventTime"


# Inside the class the names mean its own attributes.
_UpdateType: TypeAlias = UpdateType
_StateVisibility: TypeAlias = StateVisibility
_TtlTimeCharacteristic: TypeAlias = TtlTimeCharacteristic


@dataclass(frozen=True)
class StateTtlConfig:
    """``StateTtlConfig("1h")``; values, list elements and map entries live that long each.

    Expired state is removed when it is met, left out of snapshots, and swept up between batches. The configuration is
    not part of a snapshot: it may be added, removed or changed over state that exists, which lives its full time from then on.
    """

    UpdateType: ClassVar[type[_UpdateType]] = _UpdateType
    StateVisibility: ClassVar[type[_StateVisibility]] = _StateVisibility
    TtlTimeCharacteristic: ClassVar[type[_TtlTimeCharacteristic]] = _TtlTimeCharacteristic

    ttl: timedelta | str | float
    update_type: _UpdateType = _UpdateType.OnCreateAndWrite
    state_visibility: _StateVisibility = _StateVisibility.NeverReturnExpired
    ttl_time_characteristic: _TtlTimeCharacteristic = _TtlTimeCharacteristic.ProcessingTime

    def __post_init__(self) -> None:
        """Raises ``StateAccessError`` for what is no duration above zero."""
        try:
            positive = parse_duration(self.ttl) > 0
        except ValueError as error:
            raise StateAccessError(f"time to live: {error}") from error
        if not positive:
            raise StateAccessError(
                f"time to live is {self.ttl!r}; give a duration above zero, or no StateTtlConfig"
            )

    @property
    def milliseconds(self) -> int:
        """The time to live."""
        return max(1, round(parse_duration(self.ttl) * 1000))

    @staticmethod
    def new_builder(ttl: timedelta | str | float) -> StateTtlConfigBuilder:
        """PyFlink's way to make one."""
        return StateTtlConfigBuilder(StateTtlConfig(ttl))


class StateTtlConfigBuilder:
    """Changes one thing a call; ``build`` ends it."""

    def __init__(self, config: StateTtlConfig) -> None:
        self._config = config

    def set_update_type(self, update_type: UpdateType) -> StateTtlConfigBuilder:
        """What gives a value its full time again."""
        return StateTtlConfigBuilder(replace(self._config, update_type=update_type))

    def update_ttl_on_read_and_write(self) -> StateTtlConfigBuilder:
        """Reading counts as well as writing."""
        return self.set_update_type(UpdateType.OnReadAndWrite)

    def update_ttl_on_create_and_write(self) -> StateTtlConfigBuilder:
        """Only writing counts."""
        return self.set_update_type(UpdateType.OnCreateAndWrite)

    def set_state_visibility(self, visibility: StateVisibility) -> StateTtlConfigBuilder:
        """Whether expired values are still seen until they are removed."""
        return StateTtlConfigBuilder(replace(self._config, state_visibility=visibility))

    def never_return_expired(self) -> StateTtlConfigBuilder:
        """They are not."""
        return self.set_state_visibility(StateVisibility.NeverReturnExpired)

    def return_expired_if_not_cleaned_up(self) -> StateTtlConfigBuilder:
        """They are."""
        return self.set_state_visibility(StateVisibility.ReturnExpiredIfNotCleanedUp)

    def set_ttl_time_characteristic(self, characteristic: TtlTimeCharacteristic) -> StateTtlConfigBuilder:
        """Which clock counts."""
        return StateTtlConfigBuilder(replace(self._config, ttl_time_characteristic=characteristic))

    def build(self) -> StateTtlConfig:
        """The configuration."""
        return self._config
