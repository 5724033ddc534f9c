"""What a harness tests: how the operator of a subtask is made, what it is told about its place, how inputs reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from weir.api.factories import own_copy
from weir.clock import Clock
from weir.functions import Function
from weir.ids import operator_id_of_uid
from weir.operators.base import Operator, OperatorContext
from weir.state.backend import HEAP, StateBackend
from weir.state.descriptors import StateDescriptor
from weir.testing.strict import Watch
from weir.testing.watched_state import watch_function

_JOB_ID: Final = "0" * 32


@dataclass(frozen=True)
class Input:
    """How an input's values reach the subtasks: by ``key``, all of them everywhere, or in turn."""

    key: Callable[[Any], Any] | None = None
    broadcast: bool = False


@dataclass(frozen=True)
class Subject:
    """What is tested: ``make(function)`` gives the operator of one subtask; ``function`` is ``None`` for a raw one."""

    name: str
    make: Callable[[Any], Operator]
    function: Any
    inputs: tuple[Input, ...] = (Input(),)


@dataclass(frozen=True)
class Settings:
    """How a harness runs its subject."""

    parallelism: int = 1
    max_parallelism: int = 128
    strict: bool = True
    backend: StateBackend = HEAP


@dataclass
class Subtask:
    """One parallel instance."""

    operator: Operator
    function: Any
    watch: Watch | None
    #: What the function asked for in ``open``.
    descriptors: dict[str, StateDescriptor] = field(default_factory=dict)


def make_subtask(subject: Subject, settings: Settings) -> Subtask:
    """A fresh operator around a fresh copy of the function, not open yet."""
    function = own_copy(subject.function)
    descriptors: dict[str, StateDescriptor] = {}
    watch = Watch(subject.name) if settings.strict else None
    if isinstance(function, Function):
        watch_function(function, watch, descriptors)
    return Subtask(subject.make(function), function, watch, descriptors)


def context_of(
    subject: Subject, settings: Settings, index: int, attempt: int, clock: Clock
) -> OperatorContext:
    """The place in a job of subtask ``index``."""
    return OperatorContext(
        job_id=_JOB_ID,
        job_name="test",
        operator_id=operator_id_of_uid(subject.name),
        name=subject.name,
        uid=None,
        subtask_index=index,
        parallelism=settings.parallelism,
        max_parallelism=settings.max_parallelism,
        epoch=1,
        attempt=attempt,
        keyed=all(given.key is not None for given in subject.inputs),
        clock=clock,
        backend=settings.backend,
        run_async=_at_once,
    )


def _at_once(work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
    """In place of an I/O thread."""
    try:
        result = work()
    except Exception as error:  # noqa: BLE001  handed on, as the engine does
        done(None, error)
    else:
        done(result, None)
