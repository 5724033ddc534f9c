"""Drives one operator with time and crashes as data: no port, no thread, no sleep.

A harness stands where a task stands: it routes values to subtasks by key, merges watermarks, fires timers as its manual
clock passes them, takes snapshots and restores them. ``harness`` makes it for each kind of function; ``strict`` watches.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

from weir.config import Duration, parse_duration
from weir.errors import UserError
from weir.functions import TimeDomain
from weir.keygroups import KeyRouter
from weir.operators.base import Operator
from weir.records import MAX_TIMESTAMP, MIN_TIMESTAMP, RowBatch, StreamElement, Watermark
from weir.serde import allow_pickle_here
from weir.state.descriptors import StateDescriptor
from weir.taskmanager.watermarks import WatermarkMerge
from weir.testing.manual_clock import ManualClock
from weir.testing.outputs import Outputs
from weir.testing.script import Checkpoint, Crash, Eof, Row, Wait
from weir.testing.snapshots import Snapshot, SubtaskSnapshot
from weir.testing.subject import Input, Settings, Subject, context_of, make_subtask

IN = TypeVar("IN")
IN2 = TypeVar("IN2")
OUT = TypeVar("OUT")


class Timer(NamedTuple):
    """A timer that is set: when (milliseconds), for which key, on which clock."""

    timestamp: int
    key: Any
    domain: TimeDomain


class Harness(Outputs[OUT], Generic[IN, OUT]):
    """One operator with one input, as ``parallelism`` subtasks.

    Time is the harness's: it begins at 0 and moves by ``advance_processing_time`` only. Made by the functions of
    ``weir.testing.harness``.
    """

    def __init__(
        self,
        subject: Subject,
        settings: Settings,
        clock: ManualClock | None = None,
        restored: Snapshot | None = None,
    ) -> None:
        super().__init__()
        allow_pickle_here()
        self.clock = clock or ManualClock(restored.taken_ms if restored is not None else 0)
        self._subject = subject
        self._settings = settings
        self._router = KeyRouter(settings.max_parallelism, settings.parallelism)
        self._snapshot = restored
        #: Emissions at the last snapshot: what a sink has shown for good.
        self._kept = 0
        #: Calls since the last snapshot, and those that the last crash undid.
        self._calls: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._undone: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._attempt = 0
        self._checkpoint = 0
        self._start()

    # ---- life ----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Fresh operators, opened with the state of the last snapshot."""
        restored = self._snapshot
        self._attempt += 1
        self._turn = 0
        self._ended = restored is not None and restored.finished
        self._merge = WatermarkMerge(len(self._subject.inputs))
        if restored is not None and restored.watermark is not None:
            self._merge.current = restored.watermark
        self._subtasks = [
            make_subtask(self._subject, self._settings) for _ in range(self._settings.parallelism)
        ]
        for index, subtask in enumerate(self._subtasks):
            share = None
            if restored is not None:
                share = restored.share(index, self._settings.parallelism, self._settings.max_parallelism)
            context = context_of(self._subject, self._settings, index, self._attempt, self.clock)
            subtask.operator.open(context, share)
        self._fire_due()

    def close(self) -> None:
        """Close the functions, as at an orderly end."""
        for subtask in self._subtasks:
            subtask.operator.close()

    def __enter__(self) -> Harness[IN, OUT]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---- what goes in --------------------------------------------------------------------------------------

    def process(self, value: IN, timestamp: int | None = None) -> None:
        """One value, with its event time in milliseconds."""
        self._call(self._rows, 0, [value], None if timestamp is None else [timestamp])

    def process_all(self, values: Iterable[IN], timestamps: Iterable[int] | None = None) -> None:
        """Values in one batch, as the engine hands them to an operator under load."""
        self._call(self._rows, 0, list(values), None if timestamps is None else list(timestamps))

    def watermark(self, timestamp: int) -> None:
        """Event time advances to ``timestamp`` (milliseconds) on all inputs; event-time timers up to it fire.

        A watermark that is not above the last one changes nothing, as in a job.
        """
        self._call(self._watermarks, tuple(range(len(self._subject.inputs))), timestamp)

    def advance_processing_time(self, duration: Duration) -> None:
        """The clock moves by ``"5s"``, a ``timedelta`` or seconds; timers on the way fire, each at its own time."""
        self._call(self._advance, parse_duration(duration))

    def set_processing_time(self, wall_ms: int) -> None:
        """The clock moves on to ``wall_ms`` (milliseconds since the epoch). Raises ``ValueError`` for the past."""
        self.advance_processing_time((wall_ms - self.clock.wall_ms()) / 1000)

    def end_input(self) -> None:
        """The input ends: event time runs to its end, then the operator gives what it still held."""
        self._call(self._end)

    def run(self, script: Iterable[Any]) -> Harness[IN, OUT]:
        """Values, ``Row``, ``Watermark``, ``Wait``, ``Checkpoint``, ``Crash`` and ``Eof``, one after the other.

        A ``Crash`` goes back to the last ``Checkpoint`` and is followed by what came after that, as a source would read it
        again; so the output should be that of the same script without it.
        """
        for item in script:
            match item:
                case Row(value, timestamp, index):
                    self._call(self._rows, index, [value], None if timestamp is None else [timestamp])
                case Watermark():
                    self.watermark(item.timestamp)
                case Wait(duration):
                    self.advance_processing_time(duration)
                case Checkpoint():
                    self.snapshot()
                case Crash():
                    self.crash()
                    self.replay()
                case Eof():
                    self.end_input()
                case _:
                    self.process(item)
        return self

    def _call(self, method: Callable[..., None], *arguments: Any) -> None:
        self._calls.append((method, arguments))
        method(*arguments)
        for subtask in self._subtasks:
            if subtask.watch is not None:
                subtask.watch.check()

    def _rows(self, index: int, values: list[Any], timestamps: list[int] | None) -> None:
        if self._ended:
            raise UserError("the input of the harness has ended; nothing can follow end_input()")
        if timestamps is not None and len(timestamps) != len(values):
            raise UserError(
                f"got {len(values)} values and {len(timestamps)} timestamps; give one for each value"
            )
        for target, batch in self._routed(self._subject.inputs[index], values, timestamps):
            self._emit(target, self._subtasks[target].operator.process(batch, index))
        self._fire_due()

    def _routed(
        self, given: Input, values: list[Any], timestamps: list[int] | None
    ) -> Iterator[tuple[int, RowBatch]]:
        """The batch of each subtask, as the engine's outputs would spread it."""
        count = self._settings.parallelism
        if given.broadcast:
            for target in range(count):
                own = values if target == 0 else copy.deepcopy(values)
                yield target, RowBatch(own, timestamps)
            return
        keys = None if given.key is None else [given.key(value) for value in values]
        if keys is not None:
            targets = self._router.route(keys)
        else:
            targets = [(self._turn + i) % count for i in range(len(values))]
            self._turn += len(values)
        for target in sorted(set(targets)):
            picked = [i for i, found in enumerate(targets) if found == target]
            yield (
                target,
                RowBatch(
                    [values[i] for i in picked],
                    None if timestamps is None else [timestamps[i] for i in picked],
                    None if keys is None else [keys[i] for i in picked],
                ),
            )

    def _watermarks(self, inputs: Sequence[int], timestamp: int) -> None:
        for index in inputs:
            merged = self._merge.on_watermark(index, timestamp)
            if merged is not None:
                watermark = Watermark(merged)
                self._each(lambda operator, w=watermark: operator.on_watermark(w))  # type: ignore[misc]
        self._fire_due()

    def _each(self, call: Callable[[Operator], Iterator[StreamElement]]) -> None:
        for target, subtask in enumerate(self._subtasks):
            self._emit(target, call(subtask.operator))

    def _advance(self, seconds: float) -> None:
        left = seconds
        while True:
            due = self._next_timer()
            wait = 0.0 if due is None else max(0.0, (due - self.clock.wall_ms()) / 1000)
            if due is None or wait > left:
                break
            self.clock.advance(wait)
            left -= wait
            self._fire_due()
        self.clock.advance(left)
        self._fire_due()

    def _next_timer(self) -> int | None:
        if self._ended:
            return None  # as in a job, nothing fires any more
        timers = [subtask.operator.next_timer() for subtask in self._subtasks]
        return min((timer for timer in timers if timer is not None), default=None)

    def _fire_due(self) -> None:
        if self._ended:
            return
        now = self.clock.wall_ms()
        for target, subtask in enumerate(self._subtasks):
            due = subtask.operator.next_timer()
            if due is not None and due <= now:
                self._emit(target, subtask.operator.on_processing_time(now))

    def _end(self) -> None:
        if self._ended:
            return
        self._watermarks(tuple(range(len(self._subject.inputs))), MAX_TIMESTAMP)
        self._each(lambda operator: operator.end_input())
        self._ended = True

    # ---- what comes out ------------------------------------------------------------------------------------

    def _emit(self, target: int, elements: Iterator[StreamElement]) -> None:
        watch = self._subtasks[target].watch
        for element in elements:
            self._take(target, element)
            if watch is not None and isinstance(element, RowBatch):
                for value in element.values:
                    watch.emitted(value)

    def clear_output(self) -> None:
        """Forget what came out so far."""
        self._emitted.clear()
        self._kept = 0

    # ---- state ---------------------------------------------------------------------------------------------

    @property
    def function(self) -> Any:
        """The first subtask's own copy of the function."""
        return self._subtasks[0].function

    def state(self, state: StateDescriptor | str) -> dict[Any, Any]:
        """A keyed state as it is now: each key with its value, list or map. By descriptor, or by its name."""
        descriptor = state
        if isinstance(descriptor, str):
            known = self._subtasks[0].descriptors
            if descriptor not in known:
                raise UserError(
                    f"{self._subject.name} asked for no keyed state {descriptor!r} in open(); it has "
                    f"{', '.join(map(repr, known)) or 'none'}"
                )
            descriptor = known[descriptor]
        return self._taken().state(descriptor)

    def timers(self) -> list[Timer]:
        """All timers that are set, event-time ones first, in the order in which they will fire."""
        store = self._taken().keyed_store()
        found = []
        for domain, queue in (
            (TimeDomain.EVENT_TIME, store.event_timers),
            (TimeDomain.PROCESSING_TIME, store.processing_timers),
        ):
            found += [Timer(ts, key, domain) for key, ts in zip(*queue.columns(), strict=True)]
        return found

    # ---- crashes -------------------------------------------------------------------------------------------

    def _taken(self) -> Snapshot:
        for subtask in self._subtasks:
            if subtask.watch is not None:
                subtask.watch.check(everything=True)
        watermark = self._merge.current
        return Snapshot(
            max_parallelism=self._settings.max_parallelism,
            subtasks=tuple(
                SubtaskSnapshot.of(subtask.operator.snapshot(self._checkpoint)) for subtask in self._subtasks
            ),
            watermark=None if watermark == MIN_TIMESTAMP else watermark,
            finished=self._ended,
            taken_ms=self.clock.wall_ms(),
        )

    def snapshot(self) -> Snapshot:
        """Take a snapshot and complete it: ``crash`` goes back to here, and what was emitted so far stays."""
        self._checkpoint += 1
        self._snapshot = self._taken()
        self._kept = len(self._emitted)
        self._calls = []
        for subtask in self._subtasks:
            subtask.operator.notify_complete(self._checkpoint)
        return self._snapshot

    def crash(self) -> None:
        """The process dies (``close`` is not called) and the last snapshot is restored into fresh functions.

        What was emitted since then is gone, since an exactly-once sink never shows it. The clock goes on. ``replay``
        gives again what came in since then, as a source would.
        """
        del self._emitted[self._kept :]
        self._undone, self._calls = self._calls, []
        self._start()

    def replay(self) -> None:
        """Repeat everything between the last snapshot and the crash: values, watermarks, and the time that passed."""
        undone, self._undone = self._undone, []
        for method, arguments in undone:
            self._call(method, *arguments)

    def restored(
        self, snapshot: Snapshot | None = None, *, parallelism: int | None = None, function: Any = None
    ) -> Harness[IN, OUT]:
        """A new harness from a snapshot (default: one taken now), perhaps with another parallelism or function.

        Its output is empty; its clock begins where the snapshot was taken.
        """
        subject = self._subject
        if function is not None:
            subject = Subject(subject.name, subject.make, function, subject.inputs)
        settings = self._settings
        if parallelism is not None:
            settings = replace(settings, parallelism=parallelism)
        return type(self)(subject, settings, restored=snapshot or self._taken())


class ConnectedHarness(Harness[IN, OUT], Generic[IN, IN2, OUT]):
    """One operator with two inputs."""

    def process1(self, value: IN, timestamp: int | None = None) -> None:
        """A value of the first input."""
        self._call(self._rows, 0, [value], None if timestamp is None else [timestamp])

    def process2(self, value: IN2, timestamp: int | None = None) -> None:
        """A value of the second input."""
        self._call(self._rows, 1, [value], None if timestamp is None else [timestamp])

    def watermark1(self, timestamp: int) -> None:
        """Event time advances on the first input; the operator sees the smaller one of both."""
        self._call(self._watermarks, (0,), timestamp)

    def watermark2(self, timestamp: int) -> None:
        """Event time advances on the second input."""
        self._call(self._watermarks, (1,), timestamp)

    def restored(
        self, snapshot: Snapshot | None = None, *, parallelism: int | None = None, function: Any = None
    ) -> ConnectedHarness[IN, IN2, OUT]:
        found = super().restored(snapshot, parallelism=parallelism, function=function)
        assert isinstance(found, ConnectedHarness)
        return found
