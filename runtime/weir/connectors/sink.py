"""Extension point: a sink writes rows, and makes them visible together with a checkpoint.

``Sink`` is the description that a job holds. One ``Writer`` per subtask gets the rows on the data thread. With
barrier n the engine calls ``prepare_commit``: what was written since the last barrier is made durable but
invisible, and described by committables, which become part of the snapshot. When checkpoint n is complete (its
fence record exists), the ``Committer`` makes them visible, off the data thread; it may see a committable
again after a crash, so a commit is idempotent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
CommT = TypeVar("CommT")


class WriterContext(NamedTuple):
    """What a writer is created with; together these name its files uniquely over all attempts."""

    job_id: str
    operator_id: str
    subtask_index: int
    parallelism: int
    epoch: int
    attempt: int


class Writer(ABC, Generic[T, CommT]):
    """Takes rows. All calls come from the data thread."""

    @abstractmethod
    def write(self, values: list[T], timestamps: list[int] | None) -> None:
        """A batch. May buffer; must bound its memory (write on to a pending file).

        Of a sink of columns: a ``pyarrow.RecordBatch``, and a numpy array of int64 or ``None``.
        """

    @abstractmethod
    def prepare_commit(self) -> list[CommT]:
        """Make all rows so far durable and invisible; describe them. Rows after it belong to the next barrier.

        May return quickly with committables whose bytes are still to be made durable by ``finish_prepare``.
        """

    def finish_prepare(self, committables: Sequence[CommT]) -> None:
        """The slow half of ``prepare_commit`` (uploads), called off the data thread before the snapshot is
        acknowledged. Raises ``StorageError`` to decline the checkpoint.

        May be called again with the same committables: after it raised, with the next barrier. What is durable by then
        is left alone.
        """

    def close(self) -> None:
        """Called once at an orderly end; not promised. Must not make anything visible."""


class Committer(ABC, Generic[CommT]):
    """Makes committables visible. Called off the data thread; never two calls at once for one subtask."""

    @abstractmethod
    def commit(self, committables: Sequence[CommT]) -> None:
        """Idempotent: a committable that is already visible is left alone. Raises ``StorageError`` to be
        called again later (retryable) or to fail the job.
        """

    def abort_leftovers(self, context: WriterContext) -> None:
        """Remove what earlier attempts (lower epoch or attempt) of the same job, operator and subtask index
        modulo parallelism left pending. Called after the first checkpoint of an attempt completed, when
        everything restored is committed.
        """


class Sink(ABC, Generic[T, CommT]):
    """Describes where rows go. Held by the job graph, so it holds settings only: no open files."""

    #: Takes part in exactly-once by two-phase commit, or is idempotent. ``False``: at-least-once by nature.
    transactional: bool = True
    #: Its writers take columns, and ``ColumnStream.sink_to`` takes it.
    columnar: bool = False

    @property
    @abstractmethod
    def committable_type(self) -> type[CommT] | None:
        """The ``msgspec.Struct`` of its committables; ``None``: nothing to commit."""

    @abstractmethod
    def create_writer(self, context: WriterContext) -> Writer[T, CommT]:
        """Called on deployment, also after a restore. Raises ``UserError`` for a target that cannot be used."""

    def create_committer(self) -> Committer[CommT]:
        """Must be given when ``committable_type`` is."""
        raise NotImplementedError(f"{type(self).__name__} has committables but no committer")


Committables = list[Any]
