"""``check_source`` and ``check_sink``: run a small job once undisturbed, then once for each call that is to be hit.

Every trial is a job of its own that reads or writes everything from the beginning, is killed once (some a second time,
while it restores) or stopped with a savepoint, goes on from its last checkpoint, and is compared with what was expected.
``report`` has the result.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from weir.api.environment import StreamExecutionEnvironment
from weir.connectors.collect import CollectSink
from weir.connectors.collection import CollectionSource
from weir.connectors.sink import Sink
from weir.connectors.source import Source
from weir.testing.conformance.calls import Call, Moment, Probe, Strike, strikes_at
from weir.testing.conformance.deployment import OneThread
from weir.testing.conformance.measure import Difference, Guarantee, compare
from weir.testing.conformance.probed import Closable, ProbedSink, ProbedSource
from weir.testing.conformance.report import ConformanceError, Report, Trial

S = TypeVar("S", bound=Sink[Any, Any])

#: Rows of one fetch: so few that rows, checkpoints and crashes are well mixed.
_ROWS_PER_FETCH: Final = 3
#: Calls of which storage may say that it is not there now.
_REFUSABLE: Final = frozenset({"writer.finish_prepare", "committer.commit", "committer.abort_leftovers"})
_SINK_SPLITS: Final = 4
_ROWS: Final = tuple(f"row {number}" for number in range(30))
#: From one subtask to two and back: what was one reader's or writer's is another's.
_RESCALES: Final = ((1, 2), (2, 1))
#: Calls of an endless source without a new row, after which it has nothing more.
_MOST_DISCOVERIES: Final = 20


@dataclass(frozen=True)
class _Run:
    """What one run of the job gave."""

    rows: list[Any]
    probe: Probe
    #: It was stopped with a savepoint and went on.
    stopped: bool


class _Runner(Protocol):
    """Runs the job from the beginning to the end, through strikes, or through a stop with a savepoint."""

    def __call__(
        self, strikes: Sequence[Strike], parallelisms: Sequence[int], *, stop: bool = False
    ) -> _Run: ...


def check_source(
    source_factory: Callable[[], Source[Any, Any]],
    expected: Iterable[Any],
    *,
    name: str | None = None,
    per_method: int = 6,
    endless: bool = False,
) -> Report:
    """Crash a source at each call of its enumerator and its reader, and see which rows come out.

    ``source_factory`` gives a source over the same data each time; ``expected`` are its rows (some 20 to 50 do), as dicts
    where it gives columns. Of each
    method up to ``per_method`` calls are hit, before and after. ``endless``: the source does not end by itself. Raises
    ``ConformanceError``, with the table, unless the measured guarantee is the declared one: exactly once for a source
    that is ``replayable``, at most once for others.
    """
    wanted = list(expected)

    def run(strikes: Sequence[Strike], parallelisms: Sequence[int], *, stop: bool = False) -> _Run:
        probe, leftovers = Probe(strikes), list[Closable]()
        source, sink = source_factory(), CollectSink[Any](two_phase=True)

        def build(env: StreamExecutionEnvironment) -> None:
            probed = ProbedSource(source, probe, _ROWS_PER_FETCH, leftovers)
            if source.columnar:
                rows = env.from_columns(probed, name="tested").uid("tested").to_rows().uid("rows")
            else:
                rows = env.from_source(probed, name="tested").uid("tested")
            rows.sink_to(sink).uid("collected")

        def enough() -> bool:
            looked = sum(call.name == "enumerator.discover" for call in probe.attempts[-1])
            return len(sink.results) >= len(wanted) or looked >= _MOST_DISCOVERIES

        with _closed(leftovers):
            job = OneThread(build, probe, parallelisms, enough if endless else None, stop_first=stop)
            job.run()
        return _Run(sink.results, probe, job.was_stopped)

    source = source_factory()
    declared = Guarantee.EXACTLY_ONCE if source.replayable else Guarantee.AT_MOST_ONCE
    report = Report(name or type(source).__name__, declared, tuple(_trials(run, wanted, per_method)))
    report.check()
    return report


def check_sink(
    sink_factory: Callable[[], S],
    read_committed: Callable[[S], Iterable[Any]],
    *,
    rows: Sequence[Any] = _ROWS,
    expected: Iterable[Any] | None = None,
    name: str | None = None,
    per_method: int = 6,
) -> Report:
    """Crash a sink at each call of its writer and its committer, and see which rows became visible.

    ``sink_factory`` gives a sink with an empty target each time; ``read_committed(sink)`` says what somebody else sees
    there. ``rows`` are written; ``expected`` is what they look like when read (default: the same). Raises
    ``ConformanceError``, with the table, unless the measured guarantee is the declared one: exactly once for a sink
    that is ``transactional``, at least once for others.
    """
    given = list(rows)
    wanted = given if expected is None else list(expected)

    def run(strikes: Sequence[Strike], parallelisms: Sequence[int], *, stop: bool = False) -> _Run:
        probe, leftovers = Probe(strikes), list[Closable]()
        sink = sink_factory()
        unwatched = Probe()
        unwatched.begin()
        source = CollectionSource(given, num_splits=_SINK_SPLITS)

        def build(env: StreamExecutionEnvironment) -> None:
            fed = ProbedSource(source, unwatched, _ROWS_PER_FETCH, [])
            stream = env.from_source(fed, name="rows").uid("rows")
            stream.sink_to(ProbedSink(sink, probe, leftovers)).uid("tested")

        with _closed(leftovers):
            job = OneThread(build, probe, parallelisms, stop_first=stop)
            job.run()
            return _Run(list(read_committed(sink)), probe, job.was_stopped)

    sink = sink_factory()
    declared = Guarantee.EXACTLY_ONCE if sink.transactional else Guarantee.AT_LEAST_ONCE
    report = Report(name or type(sink).__name__, declared, tuple(_trials(run, wanted, per_method)))
    report.check()
    return report


def _trials(run: _Runner, wanted: list[Any], per_method: int) -> Iterator[Trial]:
    undisturbed = run((), (1,))
    difference = compare(wanted, undisturbed.rows)
    if difference.guarantee is not Guarantee.EXACTLY_ONCE:
        raise ConformanceError(
            f"without any crash {difference.lost} rows are lost, {difference.doubled} doubled and {difference.strange} "
            f"strange; expected {_excerpt(wanted)}, got {_excerpt(undisturbed.rows)}"
        )
    calls = undisturbed.probe.attempts[0]

    def differs(result: _Run, parallelisms: Sequence[int]) -> Difference:
        found = compare(undisturbed.rows, result.rows)
        if len(parallelisms) > 1:  # two subtasks have no common order
            return Difference(found.lost, found.doubled, found.strange)
        return found

    def trial(strikes: Sequence[Strike], parallelisms: Sequence[int], where: str) -> Trial | None:
        try:
            result = run(strikes, parallelisms)
        except ConformanceError as error:
            raise ConformanceError(f"after a crash {where}: {error}") from None
        if result.probe.hits < len(strikes):
            return None  # the call is not made under other circumstances
        last = strikes[-1]
        return Trial(last.call.name, last.moment, where, differs(result, parallelisms))

    def handed_over(parallelisms: Sequence[int]) -> Trial | None:
        where = f"after a stop with a savepoint, with parallelism {' and then '.join(map(str, parallelisms))}"
        try:
            result = run((), parallelisms, stop=True)
        except ConformanceError as error:
            raise ConformanceError(f"{where}: {error}") from None
        if not result.stopped:
            return None  # it was through before
        return Trial("stop with a savepoint", Moment.AFTER, where, differs(result, parallelisms))

    plans: list[_Plan] = [
        ((strike,), (1,), str(strike)) for strike in strikes_at(calls, per_method, _REFUSABLE)
    ]
    plans += _second_strikes(run, calls)
    plans += _rescales(calls)
    found = [trial(*plan) for plan in plans] + [handed_over(widths) for widths in ((1,), *_RESCALES)]
    yield from (each for each in found if each is not None)


_Plan = tuple[tuple[Strike, ...], tuple[int, ...], str]


def _middle(calls: Sequence[Call]) -> Strike:
    """A strike when some of the work is done: a commit that is due, or a fetch halfway."""
    commits = [call for call in calls if call.name == "committer.commit"]
    work = commits or [call for call in calls if call.name in {"reader.fetch", "writer.write"}] or list(calls)
    return Strike(work[len(work) // 2], Moment.BEFORE)


def _second_strikes(run: _Runner, calls: Sequence[Call]) -> list[_Plan]:
    """Hits at the first call of each method of the attempt that restores."""
    first = _middle(calls)
    restoring = run((first,), (1,)).probe.attempts
    if len(restoring) < 2:
        return []
    return [
        ((first, second), (1,), f"{second}, while it restored after a crash {first}")
        for second in strikes_at(restoring[1], per_method=1, refusable=_REFUSABLE)
    ]


def _rescales(calls: Sequence[Call]) -> list[_Plan]:
    first = _middle(calls)
    return [
        ((first,), widths, f"{first}, then restored from {widths[0]} to {widths[1]}") for widths in _RESCALES
    ]


@contextlib.contextmanager
def _closed(leftovers: list[Closable]) -> Iterator[None]:
    """Close what killed processes left open, when nobody looks any more."""
    try:
        yield
    finally:
        for left in leftovers:
            with contextlib.suppress(Exception):
                left.close()


def _excerpt(rows: Sequence[Any]) -> str:
    shown = ", ".join(repr(row)[:40] for row in rows[:5])
    return f"{len(rows)} rows ({shown}{', ...' if len(rows) > 5 else ''})"
