"""``StreamExecutionEnvironment``: where a job begins (sources), its settings, and where it is handed over (``execute``).

``loader`` makes one for ``build(env)``; a script gets one by ``get_execution_environment()``. Both record the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from weir.api import factories
from weir.api.arguments import instance_of, label, positive, setting
from weir.api.checkpoint_config import CheckpointConfig, RestartStrategy, milliseconds
from weir.api.executor import JobExecutionResult, current_context, current_executor
from weir.api.recorder import Output, Recipe, Recorder
from weir.api.stream import DataStream
from weir.config import CheckpointingMode, Duration, SettingValue, options
from weir.connectors.collection import CollectionSource
from weir.connectors.source import Source
from weir.errors import GraphError
from weir.graph.logical import NodeKind
from weir.operators.job_code import JobCode
from weir.windows.watermark_strategy import WatermarkStrategy

if TYPE_CHECKING:
    from weir.api.columns import ColumnStream

T = TypeVar("T")


class StreamExecutionEnvironment:
    """A job being written."""

    def __init__(self, configuration: Mapping[str, SettingValue] | None = None) -> None:
        self._recorder = Recorder()
        self._settings: dict[str, str] = {}
        self._executed = False
        for key, value in (configuration or {}).items():
            self.set_config(key, value)

    @staticmethod
    def get_execution_environment(
        configuration: Mapping[str, SettingValue] | None = None,
    ) -> StreamExecutionEnvironment:
        """A new environment, with settings by key (``{"execution.checkpointing.interval": "10s"}``)."""
        return StreamExecutionEnvironment(configuration)

    # ---- settings

    def set_config(self, key: str, value: SettingValue) -> StreamExecutionEnvironment:
        """Any engine setting by its key. Raises ``ConfigError`` for an unknown key or a wrong value."""
        return self._set_all("set_config()", {key: value})

    def _set_all(self, call: str, settings: Mapping[str, SettingValue]) -> StreamExecutionEnvironment:
        """All or none: of what is refused no half stays behind."""
        self._settings |= {key: setting(call, key, value) for key, value in settings.items()}
        return self

    def set_parallelism(self, parallelism: int) -> StreamExecutionEnvironment:
        """Subtasks of each operator that has no number of its own; a set field or flag of the run wins."""
        positive("set_parallelism()", parallelism)
        return self.set_config(options.PARALLELISM.key, parallelism)

    def get_parallelism(self) -> int:
        """What code and run have set so far, 1 by default."""
        return self._number(options.PARALLELISM)

    def set_max_parallelism(self, max_parallelism: int) -> StreamExecutionEnvironment:
        """Key groups; cannot change while state is kept."""
        positive("set_max_parallelism()", max_parallelism)
        return self.set_config(options.MAX_PARALLELISM.key, max_parallelism)

    def get_max_parallelism(self) -> int:
        """What code and run have set so far, 128 by default."""
        return self._number(options.MAX_PARALLELISM)

    def _number(self, option: options.Option[int]) -> int:
        if option.key in self._settings:
            return option.kind.parse(self._settings[option.key])
        context = current_context()
        if context is None:
            return option.default
        return context.parallelism if option is options.PARALLELISM else context.max_parallelism

    def enable_checkpointing(
        self, interval: Duration, mode: CheckpointingMode = CheckpointingMode.EXACTLY_ONCE
    ) -> StreamExecutionEnvironment:
        """Take a checkpoint each ``interval``: ``"10s"``, a ``timedelta``, or (as in PyFlink) milliseconds."""
        return self._set_all(
            "enable_checkpointing()",
            {options.CHECKPOINT_INTERVAL.key: milliseconds(interval), options.CHECKPOINT_MODE.key: mode},
        )

    def get_checkpoint_config(self) -> CheckpointConfig:
        """The settings of checkpoints."""
        return CheckpointConfig(self._settings)

    def set_restart_strategy(self, restart_strategy: RestartStrategy) -> StreamExecutionEnvironment:
        """What follows a failure: one of ``RestartStrategies``."""
        instance_of("set_restart_strategy()", restart_strategy, RestartStrategy)
        return self._set_all("set_restart_strategy()", restart_strategy.settings)

    def set_buffer_timeout(self, timeout: Duration) -> StreamExecutionEnvironment:
        """After this long (a bare number: milliseconds) rows are sent on even if their batch is small."""
        return self.set_config(options.BUFFER_TIMEOUT.key, milliseconds(timeout))

    def disable_operator_chaining(self) -> StreamExecutionEnvironment:
        """Run each operator in a task of its own."""
        return self.set_config(options.CHAINING.key, False)

    # ---- sources

    def from_source(
        self,
        source: Source[T, Any],
        watermark_strategy: WatermarkStrategy | None = None,
        name: str | None = None,
    ) -> DataStream[T]:
        """The stream of a source. Without a strategy it has no watermarks until its end."""
        instance_of("from_source()", source, Source)
        if source.columnar:
            raise GraphError(
                f"from_source() needs a source of rows, {type(source).__name__} gives columns; use from_columns(), and "
                "to_rows() before Python functions"
            )
        return DataStream(self, (self._source(source, watermark_strategy, name),))

    def _source(
        self, source: Source[Any, Any], watermark_strategy: WatermarkStrategy | None, name: str | None
    ) -> Output:
        strategy = watermark_strategy if watermark_strategy is not None else WatermarkStrategy.no_watermarks()
        instance_of("from_source()", strategy, WatermarkStrategy)
        recipe = Recipe(
            "source",
            type(source).__name__ if name is None else label("from_source(name=...)", name),
            factories.source_factory(source, strategy),
            (source, strategy),
            kind=NodeKind.SOURCE,
            replayable=source.replayable,
            source=source,
        )
        return Output(self._recorder.add(recipe))

    def from_columns(
        self,
        source: Source[Any, Any],
        watermark_strategy: WatermarkStrategy | None = None,
        name: str | None = None,
    ) -> ColumnStream:
        """The stream of a source that reads columns. Raises ``GraphError`` where numpy or pyarrow is missing."""
        from weir import columnar
        from weir.api.columns import ColumnStream

        instance_of("from_columns()", source, Source)
        columnar.require("from_columns()")
        if not source.columnar:
            raise GraphError(
                f"from_columns() needs a source of columns, {type(source).__name__} gives rows; use from_source() and "
                "to_columns()"
            )
        return ColumnStream(self, (self._source(source, watermark_strategy, name),))

    def from_collection(self, collection: Iterable[T], name: str = "Collection") -> DataStream[T]:
        """The elements of a collection, in order; bounded. Its source has one subtask."""
        return self.from_source(CollectionSource(collection), name=name).set_parallelism(1)

    # ---- the end

    def execute(self, job_name: str = "job") -> JobExecutionResult:
        """Run the job to its end, on a local cluster when a script is run by ``python``.

        While a job is loaded (``weir run``, in a worker) the call hands over what was recorded and does not return.
        Raises ``JobFailed`` when the job fails.
        """
        if self._executed:
            raise GraphError(
                "execute() was called before on this environment; make a new one for another job"
            )
        self._executed = True
        return current_executor().execute(self.job_code(label("execute()", job_name)))

    @property
    def has_operators(self) -> bool:
        """Whether anything was recorded yet."""
        return bool(self._recorder.nodes)

    def job_code(self, job_name: str) -> JobCode:
        """What was recorded so far. Raises ``GraphError`` if it is nothing, or impossible."""
        if not self.has_operators:
            raise GraphError("the job has no operators; begin with env.from_source(...)")
        return self._recorder.job_code(job_name, self._settings)
