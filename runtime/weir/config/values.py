"""Reads and writes single values of settings: durations, sizes, numbers, booleans, enums.

A :class:`Kind` knows how to read its values from text and what to tell a user who gave something else. Durations
are seconds (``float``) once read, sizes are bytes; their text is Kubernetes style (``500ms``, ``1h30m``, ``64Mi``).
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=enum.Enum)

Duration = timedelta | str | float
#: What code may pass for a setting's value.
SettingValue = str | bool | int | float | timedelta | enum.Enum

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|ms|min|s|m|h|d)")
_SIZES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
#: Bytes that neither a file nor memory ever has.
_SIZE_LIMIT = 2**63
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i|[kKMGT]?)")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A type of setting."""

    accepted: str  #: completes the sentence "expected ..."
    parse: Callable[[str], T]  #: raises ``ValueError``
    write: Callable[[Any], str] | None = None  #: the reverse, where ``text_of`` is not

    def show(self, value: T | None) -> str:
        """A value as people write it."""
        if value is None:
            return "not set"
        if self.write is not None:
            return self.write(value)
        return text_of(value)  # type: ignore[arg-type]  # what parse gives is a value of a setting


def parse_duration(value: Duration) -> float:
    """Seconds of ``"1h30m"``, ``"500ms"``, a ``timedelta`` or a number of seconds.

    Raises ``ValueError`` for anything else, negative values included.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = _floating(value)
    elif isinstance(value, str):
        seconds = _duration_of_text(value.strip())
    else:
        raise ValueError(  # noqa: TRY004  callers handle one error for every wrong value
            f"{value!r} is not a duration; write it as 500ms, 10s or 1h30m, or as a timedelta"
        )
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{value!r} is not a duration of zero or more")
    return seconds


def _duration_of_text(text: str) -> float:
    if text == "0":
        return 0.0
    position, seconds = 0, 0.0
    for match in _PART.finditer(text):
        if text[position : match.start()].strip():
            break
        seconds += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if position == 0 or text[position:].strip() or seconds == math.inf:
        raise ValueError(f"{text!r} is not a duration; write it as 500ms, 10s or 1h30m")
    return round(seconds, 9)


def _floating(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf  # a whole number beyond what floats hold


def kubernetes_duration(text: str) -> float:
    """Seconds of a duration as Kubernetes writes it: from hours to nanoseconds, without spaces. Raises ``ValueError``."""
    if not re.fullmatch(r"0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+", text) or len(text) > 20:
        raise ValueError(f"{text!r} is not a duration of Kubernetes")
    return _duration_of_text(text)


def format_duration(seconds: float) -> str:
    """The shortest text that ``parse_duration`` reads back: ``1h30m``, ``2.5s``, ``500ms``."""
    milliseconds = round(seconds * 1000, 6)
    if milliseconds % 1000:
        whole = f"{milliseconds:.6f}".rstrip("0").rstrip(".")
        return f"{whole}ms" if milliseconds < 1000 else f"{whole_seconds(milliseconds)}s"
    total = int(milliseconds) // 1000
    parts = [(total // 3600, "h"), (total % 3600 // 60, "m"), (total % 60, "s")]
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def whole_seconds(milliseconds: float) -> str:
    """Seconds with as many decimals as needed."""
    return f"{milliseconds / 1000:.9f}".rstrip("0").rstrip(".")


def parse_size(value: str | int) -> int:
    """Bytes of ``"64Mi"``, ``"1500k"`` or a plain number. Raises ``ValueError``."""
    match = _SIZE.fullmatch(str(value).strip())
    if match is None or not (size := float(match[1]) * _SIZES[match[2]]) < _SIZE_LIMIT:
        raise ValueError(f"{value!r} is not a size; write it as 1024, 500k, 64Mi or 2Gi")
    return int(size)


def kubernetes_size(text: str) -> int:
    """Bytes of a size without spaces, as a StreamJob writes it. Raises ``ValueError``."""
    if not re.fullmatch(r"[0-9.]+[a-zA-Z]*", text) or len(text) > 20:
        raise ValueError(f"{text!r} is not a size; write it as 1024, 500k, 64Mi or 2Gi")
    return parse_size(text)


def _parse_bool(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


def _bounded(parse: Callable[[str], T], minimum: T | None, maximum: T | None) -> Callable[[str], T]:
    def parse_bounded(text: str) -> T:
        value = parse(text)
        below = minimum is not None and value < minimum  # type: ignore[operator]
        above = maximum is not None and value > maximum  # type: ignore[operator]
        if below or above:
            raise ValueError(f"{text} is out of range")
        return value

    return parse_bounded


def integer(minimum: int | None = None, maximum: int | None = None) -> Kind[int]:
    """Whole numbers, bounds included."""
    bounds = {
        (False, False): "",
        (True, False): f" >= {minimum}",
        (False, True): f" <= {maximum}",
        (True, True): f" from {minimum} to {maximum}",
    }[minimum is not None, maximum is not None]
    return Kind(f"a whole number{bounds}", _bounded(lambda text: int(text.strip()), minimum, maximum))


def number(minimum: float | None = None, maximum: float | None = None) -> Kind[float]:
    """Numbers, bounds included."""
    least = "" if minimum is None else f" >= {minimum:g}"
    most = "" if maximum is None else f" <= {maximum:g}"
    return Kind(f"a number{least}{most}", _bounded(_finite, minimum, maximum))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number to count with")
    return value


def duration(minimum: float = 0.0) -> Kind[float]:
    """Durations in seconds; ``minimum`` in seconds."""
    least = f" of at least {format_duration(minimum)}" if minimum else ""
    return Kind(
        f"a duration{least} such as 500ms, 10s or 1h30m",
        _bounded(_duration_of_text, minimum, None),
        format_duration,
    )


def choice(members: type[E], also: dict[str, E] | None = None) -> Kind[E]:
    """Members of an enum by their value, whatever the case, ``-`` and ``_``; ``also`` are other spellings."""
    spelled = {_plain(str(member.value)): member for member in members}
    spelled |= {_plain(name): member for name, member in (also or {}).items()}
    accepted = "one of " + ", ".join(str(member.value) for member in members)

    def parse(text: str) -> E:
        try:
            return spelled[_plain(text)]
        except KeyError:
            raise ValueError(f"{text!r} is unknown") from None

    return Kind(accepted, parse)


def _plain(text: str) -> str:
    return re.sub(r"[-_\s]", "", text).lower()


BOOLEAN: Kind[bool] = Kind("true or false", _parse_bool)
TEXT: Kind[str] = Kind("text", str)
SIZE: Kind[int] = Kind("a size such as 1024, 500k, 64Mi or 2Gi", parse_size)


def at_least(size: int) -> Kind[int]:
    """Sizes in bytes from ``size`` on."""
    return Kind(
        f"a size of at least {format_size(size)} such as 64Mi or 2Gi",
        _bounded(parse_size, size, None),
        format_size,
    )


def format_size(size: int) -> str:
    """The shortest text that ``parse_size`` reads back: ``64Mi``, ``1Gi``, ``1000``."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)


def text_of(value: SettingValue) -> str:
    """The text of a setting's value as code or YAML gives it; ``Kind.parse`` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return format_duration(value.total_seconds())
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be a setting's value")
