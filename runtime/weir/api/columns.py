"""``ColumnStream``: a stream of columns, on which work is declared instead of coded.

Made by ``env.from_columns`` or ``DataStream.to_columns``. ``to_rows`` leads back to Python functions; only the columns that
it names are converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weir.api import factories
from weir.api.arguments import instance_of
from weir.api.recorder import Output, Recipe
from weir.api.stream import DataStream, DataStreamSink, _Settings, sink_recipe
from weir.columnar.aggregates import WINDOW_END, WINDOW_START, Aggregate
from weir.columnar.expressions import Column, Expression, as_expression, col
from weir.config import Duration, parse_duration
from weir.connectors.sink import Sink
from weir.errors import GraphError
from weir.graph.logical import Partitioning
from weir.operators.job_code import EdgeCode

if TYPE_CHECKING:
    from weir.api.environment import StreamExecutionEnvironment
    from weir.api.recorder import NodeDraft


class ColumnStream(_Settings):
    """A stream of batches of columns. Calls that make an operator return the stream of its results."""

    def __init__(self, env: StreamExecutionEnvironment, outputs: tuple[Output, ...]) -> None:
        self._env = env
        self._outputs = outputs

    def _operator(self, call: str) -> NodeDraft:
        return DataStream[Any](self._env, self._outputs)._operator(call)  # noqa: SLF001  the same rule

    def _record(self, recipe: Recipe) -> tuple[Output, ...]:
        return (Output(self._env._recorder.add(recipe, self._outputs)),)  # noqa: SLF001  this room's own

    def _add(self, recipe: Recipe) -> ColumnStream:
        return ColumnStream(self._env, self._record(recipe))

    # ---- rows stay rows

    def select(self, *columns: str | Expression, **named: Expression) -> ColumnStream:
        """Only these columns: by name, or ``name=expression``."""
        made: dict[str, Expression] = {}
        for column in columns:
            expression = col(column) if isinstance(column, str) else column
            if not isinstance(expression, Column):
                raise GraphError(
                    f"select(): give the expression {expression!r} a name: select(name=expression)"
                )
            made[expression.name] = expression
        made.update({name: as_expression(value) for name, value in named.items()})
        if not made:
            raise GraphError("select() needs at least one column")
        factory = factories.project_factory(made, keep=False)
        return self._add(Recipe("select", "Select", factory, (repr(made),)))

    def with_columns(self, **named: Expression) -> ColumnStream:
        """All columns, and these; one that is there already is replaced."""
        made = {name: as_expression(value) for name, value in named.items()}
        factory = factories.project_factory(made, keep=True)
        return self._add(Recipe("with-columns", "WithColumns", factory, (repr(made),)))

    def filter(self, predicate: Expression) -> ColumnStream:
        """The rows for which ``predicate`` is true; null counts as false."""
        instance_of("filter() of columns", predicate, Expression)
        factory = factories.filter_columns_factory(predicate)
        return self._add(Recipe("filter-columns", "Filter", factory, (repr(predicate),)))

    # ---- by key

    def key_by(self, *columns: str) -> KeyedColumnStream:
        """Bring rows with equal values in these columns together."""
        if not columns or not all(isinstance(column, str) and column for column in columns):
            raise GraphError(f"key_by() of columns takes their names, got {columns!r}")
        code = EdgeCode(key_columns=columns)
        outputs = tuple(
            output._replace(partitioning=Partitioning.HASH, code=code) for output in self._outputs
        )
        return KeyedColumnStream(self._env, outputs, columns)

    # ---- rows for Python

    def to_rows(self, *columns: str) -> DataStream[Any]:
        """Tuples of these columns, in this order; without names, dicts of all columns."""
        factory = factories.to_rows_factory(columns)
        return DataStream(self._env, self._record(Recipe("to-rows", "ToRows", factory, (columns,))))

    # ---- out

    def sink_to(self, sink: Sink[Any, Any]) -> DataStreamSink:
        """Write the columns to ``sink``, which must take columns. Raises ``GraphError`` for one of rows."""
        instance_of("sink_to()", sink, Sink)
        if not sink.columnar:
            raise GraphError(
                f"sink_to() of columns got {type(sink).__name__}, which takes rows; use to_rows() before it"
            )
        return DataStreamSink(self._record(sink_recipe(sink))[0].node)


class KeyedColumnStream:
    """A stream of columns by key: aggregate it as it runs, or by windows."""

    def __init__(
        self, env: StreamExecutionEnvironment, outputs: tuple[Output, ...], keys: tuple[str, ...]
    ) -> None:
        self._stream = ColumnStream(env, outputs)
        self._keys = keys

    def aggregate(self, *aggregates: Aggregate, per: str = "row") -> ColumnStream:
        """Running aggregates of each key.

        ``per="row"``: every row, with the results so far beside its columns. ``per="batch"``: for each key of a batch
        one row with key and results, which is enough where only the newest counts; how rows are batched is not fixed.
        """
        if per not in {"row", "batch"}:
            raise GraphError(f"aggregate(per={per!r}): use 'row' or 'batch'")
        checked = _checked("aggregate()", self._keys, aggregates)
        factory = factories.running_aggregate_factory(self._keys, checked, by_row=per == "row")
        return self._stream._add(  # noqa: SLF001  of this module
            Recipe("running-aggregate", "Aggregate", factory, (self._keys, checked, per), keyed=True)
        )

    def window(self, size: Duration, slide: Duration | None = None) -> WindowedColumnStream:
        """Event-time windows: tumbling, or hopping where ``slide`` is given (it must divide ``size``)."""
        length = _milliseconds("window(size)", size)
        step = length if slide is None else _milliseconds("window(slide)", slide)
        if length % step:
            raise GraphError(
                f"window(size={size!r}, slide={slide!r}): {length} ms is no multiple of {step} ms; windows are made of panes "
                "of one slide each"
            )
        return WindowedColumnStream(self._stream, self._keys, length, step)


class WindowedColumnStream:
    """Windows of a keyed stream of columns."""

    def __init__(self, stream: ColumnStream, keys: tuple[str, ...], size: int, slide: int) -> None:
        self._stream = stream
        self._keys = keys
        self._size = size
        self._slide = slide

    def aggregate(self, *aggregates: Aggregate) -> ColumnStream:
        """One row for each key and window when the window ends: key, results, ``window_start``, ``window_end`` (ms).

        A key that is called like one of these two, as of windows over windows, stays; the column of this window is left out.
        Raises ``GraphError`` for a result with such a name.
        """
        checked = _checked("aggregate()", self._keys, aggregates, beside=(WINDOW_START, WINDOW_END))
        factory = factories.window_aggregate_factory(self._keys, checked, self._size, self._slide)
        code = (self._keys, checked, self._size, self._slide)
        return self._stream._add(Recipe("window-aggregate", "WindowAggregate", factory, code, keyed=True))  # noqa: SLF001


def _checked(
    call: str, keys: Sequence[str], aggregates: Sequence[Aggregate], *, beside: Sequence[str] = ()
) -> tuple[Aggregate, ...]:
    """``beside``: names of columns that results come with."""
    if not aggregates:
        raise GraphError(f"{call} needs at least one aggregate, such as Count() or Sum('price')")
    names = [*keys, *beside]
    for aggregate in aggregates:
        instance_of(call, aggregate, Aggregate)
        if aggregate.kind != "count" and not aggregate.column:
            raise GraphError(f"{call}: {aggregate!r} needs a column")
        if aggregate.result in names:
            raise GraphError(f"{call}: two columns would be called {aggregate.result!r}; give one a name=")
        names.append(aggregate.result)
    return tuple(aggregates)


def _milliseconds(call: str, value: Duration) -> int:
    try:
        length = round(parse_duration(value) * 1000)
    except ValueError as error:
        raise GraphError(f"{call}: {error}") from None
    if length < 1:
        raise GraphError(f"{call}: {value!r} is shorter than a millisecond")
    return length
