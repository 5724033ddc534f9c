"""A document read by its classes, with all that is wrong with it told in our words.

What is wrong is left out and the rest is read again, so that rules about the rest can still be asked: five faults of different
kinds are five messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from weir_operator.models.checks import UNCHECKED
from weir_operator.validation.wording import said

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]

#: A document is read again after each round of faults; what is left out can uncover only what was around it.
_ROUNDS = 8
#: Required fields that get a stand-in where they are missing, so that the rest can be judged.
_ENTRYPOINT = "module:build"
_STAND_INS: dict[Place, Any] = {
    ("spec", "job"): {"entrypoint": _ENTRYPOINT},
    ("spec", "job", "entrypoint"): _ENTRYPOINT,
}


@dataclass(frozen=True)
class Violation:
    """One fault of a document."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True)
class Reading(Generic[M]):
    """What could be read of a document."""

    #: ``None``: too much was wrong.
    document: M | None
    faults: tuple[Violation, ...]
    _left_out: frozenset[str]
    _kept: Mapping[str, Sequence[int]]

    def left_out(self, path: str) -> bool:
        """Whether the field, something in it or something around it could not be read."""
        return any(_within(path, missing) or _within(missing, path) for missing in self._left_out)

    def item(self, path: str, index: int) -> str:
        """The path, in the document as it was written, of an item of the list at ``path``."""
        return f"{path}[{_original(self._kept, path, index)}]"


def read(kind: type[M], body: Mapping[str, Any]) -> Reading[M]:
    """Read ``body`` as strictly as the API server does."""
    found = _Found(kind, deepcopy(dict(body)))
    found.checked()
    document: M | None = None
    for _ in range(_ROUNDS):
        document, unread = found.unchecked()
        for place in sorted(unread, key=_backwards):
            _remove(found.remaining, place, found.kept)
        for place in unread & _STAND_INS.keys():
            _fill(found.remaining, place)
        if not unread:
            break
    found.checked()
    return Reading(document, tuple(found.faults), frozenset(found.left_out), found.kept)


@dataclass
class _Found(Generic[M]):
    """What is known of a document while it is read."""

    kind: type[M]
    remaining: dict[str, Any]
    faults: dict[Violation, None] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    kept: dict[str, list[int]] = field(default_factory=dict)

    def checked(self) -> None:
        """Note all faults of what remains."""
        try:
            self.kind.model_validate_json(json.dumps(self.remaining), strict=True)
        except ValidationError as error:
            for fault in _own(error.errors(include_url=False)):
                self._note(fault)

    def unchecked(self) -> tuple[M | None, set[Place]]:
        """The document, whether or not its values hold to their checks; else the places of what cannot be read."""
        unread: set[Place] = set()
        try:
            text = json.dumps(self.remaining)
            return self.kind.model_validate_json(text, strict=True, context=UNCHECKED), unread
        except ValidationError as error:
            for fault in _own(error.errors(include_url=False)):
                place = fault["loc"]
                self._note(fault)
                self.left_out.add(_path(place, self.kept))
                needless = fault["type"] != "missing" or place in _STAND_INS
                unread.add(place if needless else place[:-1])
        return None, unread

    def _note(self, fault: ErrorDetails) -> None:
        path = _path(fault["loc"], self.kept)
        if path not in self.left_out:  # what was left out is missing now
            self.faults[Violation(path, said(self.kind, fault))] = None


def _own(faults: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the lists that are short only because items of them are wrong."""
    holders = {fault["loc"][:length] for fault in faults for length in range(len(fault["loc"]))}
    return [fault for fault in faults if fault["type"] != "too_short" or fault["loc"] not in holders]


def _within(path: str, around: str) -> bool:
    return path == around or path.startswith((f"{around}.", f"{around}["))


def _backwards(place: Place) -> list[tuple[int, str]]:
    """Later items of a list first, and what is in an item before the item: so the places that follow stay true."""
    return [*((-part, "") if isinstance(part, int) else (0, part) for part in place), (1, "")]


def _original(kept: Mapping[str, Sequence[int]], path: str, index: int) -> int:
    return kept[path][index] if path in kept else index


def _path(place: Place, kept: Mapping[str, Sequence[int]]) -> str:
    """``spec.taskManager.pod.env[0].name``, as the API server writes it, of the document as it was written."""
    path = ""
    for part in place:
        path += f"[{_original(kept, path, part)}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _remove(document: dict[str, Any], place: Place, kept: dict[str, list[int]]) -> None:
    if not place:
        return
    holder, last = _holder(document, place), place[-1]
    if isinstance(holder, dict):
        holder.pop(last, None)
    elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        path = _path(place[:-1], kept)
        kept.setdefault(path, list(range(len(holder)))).pop(last)
        holder.pop(last)


def _fill(document: dict[str, Any], place: Place) -> None:
    holder = _holder(document, place)
    if isinstance(holder, dict):
        holder[place[-1]] = deepcopy(_STAND_INS[place])


def _holder(document: dict[str, Any], place: Place) -> Any:
    """What holds the value at ``place``; ``None`` if that is gone."""
    holder: Any = document
    for part in place[:-1]:
        try:
            holder = holder[part]
        except (KeyError, IndexError, TypeError):
            return None
    return holder
