"""What came out of an operator under test, in order, and the views of it that tests compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from weir.functions import OutputTag
from weir.records import RowBatch, StreamElement, StreamStatus, Watermark

OUT = TypeVar("OUT")


@dataclass(frozen=True)
class _Emitted:
    subtask: int
    element: Any  #: a value, a ``Watermark`` or a ``StreamStatus``
    timestamp: int | None = None
    tag: str | None = None

    @property
    def is_row(self) -> bool:
        return not isinstance(self.element, Watermark | StreamStatus)


class Outputs(Generic[OUT]):
    """The output half of a harness."""

    def __init__(self) -> None:
        self._emitted: list[_Emitted] = []

    def _take(self, subtask: int, element: StreamElement) -> None:
        """A subtask emitted ``element``."""
        if not isinstance(element, RowBatch):
            self._emitted.append(_Emitted(subtask, element))
            return
        stamps: Sequence[int | None] = element.timestamps or [None] * len(element.values)
        self._emitted += [
            _Emitted(subtask, value, timestamp, element.tag)
            for value, timestamp in zip(element.values, stamps, strict=True)
        ]

    def _found(self, tag: str | None = None, subtask: int | None = None) -> list[_Emitted]:
        return [
            emitted
            for emitted in self._emitted
            if emitted.is_row and emitted.tag == tag and subtask in (None, emitted.subtask)
        ]

    @property
    def output(self) -> list[OUT]:
        """All values of the main output, in order."""
        return [emitted.element for emitted in self._found()]

    @property
    def timestamped(self) -> list[tuple[int | None, OUT]]:
        """All values of the main output with their event times."""
        return [(emitted.timestamp, emitted.element) for emitted in self._found()]

    def output_of(self, subtask: int) -> list[OUT]:
        """Values that one subtask put on the main output."""
        return [emitted.element for emitted in self._found(subtask=subtask)]

    def side_output(self, tag: OutputTag[Any] | str) -> list[Any]:
        """All values of a side output."""
        name = tag.tag_id if isinstance(tag, OutputTag) else tag
        return [emitted.element for emitted in self._found(tag=name)]

    @property
    def watermarks(self) -> list[int]:
        """Watermarks that the (first) subtask handed on."""
        return [
            emitted.element.timestamp
            for emitted in self._emitted
            if isinstance(emitted.element, Watermark) and emitted.subtask == 0
        ]

    @property
    def statuses(self) -> list[bool]:
        """Whether the (first) subtask said that it is idle, each time it changed."""
        return [
            emitted.element.idle
            for emitted in self._emitted
            if isinstance(emitted.element, StreamStatus) and emitted.subtask == 0
        ]
