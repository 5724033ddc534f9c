"""Values as people write them: durations (``1h30m``), sizes (``64Mi``) and amounts of a resource (``500m``).

Durations and sizes keep the text that was written, so that a document can be given back as it came, and compare by what they
mean: ``60s`` equals ``1m``. The engine reads the same language; a contract test holds both to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from weir_operator.models.checks import Check, quoted

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)")
_SIZES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGT]i|[kKMGT]?)")

_DURATION = "^(0|([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h))+)$"
_DURATION_SAID = "expected a duration such as 500ms, 10s or 1h30m"
_SIZE_SAID = "expected a size such as 1024, 500k, 64Mi or 2Gi"
_QUANTITY = "^([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]{1,2})?$"

#: Longest text of a value.
MAX_LENGTH = 20


@dataclass(frozen=True)
class Duration:
    """A length of time, zero or more."""

    text: str = field(compare=False)
    seconds: float

    @classmethod
    def parse(cls, value: object) -> Self:
        """Of its text. Raises ``ValueError``."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or len(value) > MAX_LENGTH or not re.fullmatch(_DURATION, value):
            raise ValueError(_DURATION_SAID)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
        return cls(value, round(seconds, 9))

    @classmethod
    def of(cls, seconds: float) -> Self:
        """Of a number of seconds, written as people would: ``2.1s``, ``1m30s``, to the millisecond."""
        total = round(seconds * 1000)
        whole, milliseconds = divmod(total, 1000)
        hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
        tail = f"{rest}.{milliseconds:03}".rstrip("0").rstrip(".") if milliseconds else str(rest)
        parts = [(str(hours), "h"), (str(minutes), "m"), (tail, "s")]
        return cls("".join(number + unit for number, unit in parts if number != "0") or "0s", total / 1000)

    @property
    def delta(self) -> timedelta:
        """For sums with times."""
        return timedelta(seconds=self.seconds)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


#: What the API server asks of each duration; its own reader takes what the pattern lets through.
IS_DURATION = Check(_DURATION_SAID, f"self.matches({quoted(_DURATION)})", lambda _: True)


def at_least(text: str) -> Check:
    """A check that a duration is not shorter."""
    least = Duration.parse(text)
    return Check(
        f"expected a duration of at least {text}, such as 10s or 1h30m",
        f"{IS_DURATION.cel} && duration(self) >= duration({quoted(text)})",
        lambda given: given.seconds >= least.seconds,
    )


@dataclass(frozen=True)
class Size:
    """A number of bytes."""

    written: str | int = field(compare=False)
    bytes: int

    @classmethod
    def parse(cls, value: object) -> Self:
        """Of its text or number. Raises ``ValueError``."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError(_SIZE_SAID)  # noqa: TRY004  one error for every wrong value
        match = _SIZE.fullmatch(str(value)) if len(str(value)) <= MAX_LENGTH else None
        if match is None:
            raise ValueError(_SIZE_SAID)
        return cls(value, int(Decimal(match[1]) * _SIZES[match[2]]))

    @classmethod
    def of(cls, number: int) -> Self:
        """Of a number of bytes, written for people: in the largest unit of which there are at least ten, rounded down."""
        units = [
            (name, factor) for name, factor in _SIZES.items() if name.endswith("i") and number >= 10 * factor
        ]
        name, factor = max(units, key=lambda unit: unit[1], default=("", 1))
        return cls(f"{int(number // factor)}{name}", number)

    def __str__(self) -> str:
        return str(self.written)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda size: size.written),
        )


IS_SIZE = Check(
    _SIZE_SAID,
    f"type(self) == string ? self.matches({quoted(f'^{_SIZE.pattern}$'.replace('?:', ''))}) : self >= 0",
    lambda _: True,
)


_QUANTITY_SAID = "expected an amount such as 2, 500m or 4Gi"


def _one_amount(value: object) -> object:
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise ValueError(_QUANTITY_SAID)  # noqa: TRY004  one error for every wrong value
    return value


def _is_quantity(value: int | str) -> bool:
    return bool(re.fullmatch(_QUANTITY, value)) if isinstance(value, str) else value >= 0


#: An amount of a resource, in Kubernetes' own language; given back as it was written.
Quantity = Annotated[
    int | str,
    BeforeValidator(_one_amount),
    Check(
        _QUANTITY_SAID,
        f"type(self) == string ? self.matches({quoted(_QUANTITY)}) : self >= 0",
        _is_quantity,
    ),
]


def _scalar(value: object) -> object:
    if not isinstance(value, str | bool | int | float):
        raise ValueError("expected one value: a text, a number, true or false")  # noqa: TRY004  as above
    return value


#: The value of a setting of the engine, which reads it as text.
Setting = Annotated[str | bool | int | float, BeforeValidator(_scalar)]

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(1000),
} | {
    f"{letter}{suffix}": Decimal(base) ** power
    for power, letter in enumerate("KMGTPE", start=1)
    for suffix, base in (("i", 1024), ("", 1000))
    if (letter, suffix) != ("K", "")
}


def amount(quantity: int | str) -> Decimal:
    """What an amount means, for comparisons. Raises ``ValueError`` for none."""
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]?i?)((?<=[eE])[-+]?[0-9]+)?", str(quantity))
    if match is None or not _is_quantity(quantity):
        raise ValueError(f"{quantity!r} is not an amount such as 2, 500m or 4Gi")
    if match[3] is not None:
        return Decimal(str(quantity))
    return Decimal(match[1]) * _SUFFIXES[match[2]]
