"""Extension point: a source is a bounded or unbounded set of splits that can be read again from a position.

Three parts, as in Flink's FLIP-27. ``Source`` is the description that a job holds. One ``SplitEnumerator`` per
source finds splits and hands them to readers; it runs in a worker, on a thread of its own, so it may block
(list a bucket). One ``SplitReader`` per subtask reads them; it runs on the data thread, so it must not.

Splits are ``msgspec.Struct`` values (the source names their type), so that they can be sent and stored. Each has a
``split_id``, a string that is unique within the source: watermarks are kept by it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
SplitT = TypeVar("SplitT")


class Fetched(NamedTuple):
    """What ``SplitReader.fetch`` found: rows of ONE split, in order."""

    values: Any  #: a list, or an Arrow record batch from a columnar source
    #: Event times in milliseconds, parallel to ``values``; ``None`` when the source knows none.
    timestamps: Any = None
    #: The split the rows came from; watermarks are kept per split.
    split_id: str = ""


class Pending(NamedTuple):
    """What a reader has not fetched yet of the splits that it has, as far as it knows; ``None``: it does not."""

    records: int | None = None
    bytes: int | None = None


class Assignment(NamedTuple):
    """An enumerator's decision: these splits go to that reader."""

    reader: int
    splits: Sequence[Any]
    #: This reader will never get another split; once all readers were told, the source is bounded.
    no_more: bool = False


class SplitEnumerator(ABC, Generic[SplitT]):
    """Finds splits and hands them out. All calls come from one thread, never two at once; they may block.

    After a restore: ``Source.restore_enumerator`` gets the snapshot's state; readers that were restored ask
    again (``handle_request``), and keep the splits they had, so a split already assigned at the snapshot
    must not be in the enumerator's state any more.
    """

    def start(self) -> list[Assignment]:
        """Called once, after every reader is there. May assign at once."""
        return []

    @abstractmethod
    def handle_request(self, reader: int) -> list[Assignment]:
        """Reader ``reader`` has nothing to read. May answer later, from ``discover``."""

    def add_splits_back(self, splits: Sequence[SplitT], reader: int) -> list[Assignment]:
        """Splits that came back: restored readers' splits when the number of readers changed."""
        raise NotImplementedError(f"{type(self).__name__} cannot take splits back")

    #: Seconds between two calls of ``discover``; ``None``: never called.
    discovery_interval: float | None = None

    def discover(self) -> list[Assignment]:
        """Look for new splits (a new file in a watched folder)."""
        return []

    @abstractmethod
    def snapshot(self) -> bytes:
        """State such that ``restore_enumerator`` continues exactly after the assignments returned so far."""

    def close(self) -> None:
        """Called once at an orderly end; not promised."""


class SplitReader(ABC, Generic[T, SplitT]):
    """Reads splits. All calls come from the data thread; none may block for more than milliseconds.

    Slow input (a remote object) is read ahead on a thread of the reader's own; ``wake`` (given at creation,
    callable from any thread) tells the engine that ``fetch`` has something again.
    """

    @abstractmethod
    def add_splits(self, splits: Sequence[SplitT]) -> None:
        """New splits, or those of a snapshot with the positions that ``snapshot`` stored."""

    @abstractmethod
    def fetch(self, max_rows: int) -> Fetched | None:
        """Up to ``max_rows`` rows of one split, or ``None`` when nothing is there now.

        Rows count as read when they are returned: the next ``snapshot`` must not contain them. A reader that went through
        much without a row may return none of a split: it is asked again, after the engine had its turn.
        """

    @abstractmethod
    def finished_splits(self) -> list[str]:
        """Ids of splits that ended since the last call."""

    @abstractmethod
    def is_idle(self) -> bool:
        """All assigned splits were read to their end: the engine asks the enumerator for more."""

    def next_fetch_at(self) -> float | None:
        """Monotonic seconds before which ``fetch`` will return ``None`` (rate limits); ``None``: unknown."""
        return None

    def pending(self) -> Pending:
        """What is left, for people and scaling; asked about once a second, so it must be cheap and must not raise."""
        return Pending()

    @abstractmethod
    def snapshot(self) -> list[SplitT]:
        """The unfinished splits with their positions: the NEXT row to read in each."""

    def close(self) -> None:
        """Called once at an orderly end; not promised."""


class ReaderContext(NamedTuple):
    """What a reader is created with."""

    subtask_index: int
    parallelism: int
    #: Thread-safe: asks the engine to call ``fetch`` again soon.
    wake: Callable[[], None]
    #: Monotonic seconds (a test's clock in tests).
    monotonic: Callable[[], float]


class EnumeratorContext(NamedTuple):
    """What an enumerator is created with."""

    parallelism: int  #: number of readers


class Source(ABC, Generic[T, SplitT]):
    """Describes where rows come from. Held by the job graph, so it holds settings only: no open files."""

    #: Whether readers can go back to a stored position. If not, the job must ask for at-least-once.
    replayable: bool = True
    #: Whether no reader is ever told that there is no more. The state of a source that was not endless may go on with one
    #: that is: readers that were told, but still read, are given more.
    endless: bool = False
    #: Whether ``fetch`` gives columns: an Arrow record batch as ``values`` and an array as ``timestamps``.
    columnar: bool = False

    @property
    @abstractmethod
    def split_type(self) -> type[SplitT]:
        """The ``msgspec.Struct`` of its splits."""

    @abstractmethod
    def create_enumerator(self, context: EnumeratorContext) -> SplitEnumerator[SplitT]:
        """A fresh start. Raises ``UserError`` for input that is not there."""

    @abstractmethod
    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> SplitEnumerator[SplitT]:
        """Continue from ``SplitEnumerator.snapshot``."""

    @abstractmethod
    def create_reader(self, context: ReaderContext) -> SplitReader[T, SplitT]:
        """A reader without splits."""
