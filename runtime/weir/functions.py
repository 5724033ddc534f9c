"""What users implement, and what their code is handed: function classes and their contexts.

Names and meaning follow PyFlink's DataStream functions. Plain callables are accepted wherever no state,
timer or side output is needed. The operators room calls these; nothing here touches a thread or a stream.

Where PyFlink's ``process_element`` yields its results, so does Weir's. A function that takes one more
parameter, ``out``, is handed a bound ``list.append`` instead, which saves the generator per record.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypedDict, TypeVar

from weir.errors import is_text

if TYPE_CHECKING:
    from weir.state.descriptors import (
        AggregatingStateDescriptor,
        ListStateDescriptor,
        MapStateDescriptor,
        ReducingStateDescriptor,
        ValueStateDescriptor,
    )
    from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, ValueState

T = TypeVar("T")
IN = TypeVar("IN")
IN1 = TypeVar("IN1")
IN2 = TypeVar("IN2")
OUT = TypeVar("OUT")
K = TypeVar("K")
V = TypeVar("V")
ACC = TypeVar("ACC")


#: The side output that dead letters leave by.
DEAD_LETTERS: Final = "weir:dead-letters"


class OutputTag(Generic[T]):
    """Names a side output: ``late = OutputTag("late", dict)``; equal by name within a job."""

    __slots__ = ("tag_id", "type")

    def __init__(self, tag_id: str, type: type[T] | None = None) -> None:  # noqa: A002  PyFlink's name
        if not tag_id:
            raise ValueError("an OutputTag needs a name that is not empty")
        if not is_text(tag_id):
            raise ValueError(
                f"{tag_id!r} cannot name an OutputTag: it holds a lone surrogate, which is no text"
            )
        self.tag_id = tag_id
        self.type = type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OutputTag) and other.tag_id == self.tag_id

    def __hash__(self) -> int:
        return hash(self.tag_id)

    def __repr__(self) -> str:
        return f"OutputTag({self.tag_id!r})"


class DeadLetter(TypedDict):
    """A record whose function raised, and why."""

    #: As the function was given it.
    record: Any
    #: Name of the exception's class, with its module unless it is a builtin.
    exception: str
    #: The exception's text.
    message: str
    #: The operator's uid, or its name if it has none.
    operator: str
    #: ``file:line`` of the function where it raised, or of the operator.
    place: str
    #: Event time of the record, milliseconds; ``None`` if the stream carries none.
    timestamp: int | None


class TimeDomain(Enum):
    """Which clock fired a timer."""

    EVENT_TIME = "event-time"
    PROCESSING_TIME = "processing-time"


class RuntimeContext(ABC):
    """What a rich function gets in ``open``: its place in the job, and its state."""

    @abstractmethod
    def get_job_id(self) -> str: ...

    @abstractmethod
    def get_task_name(self) -> str: ...

    @abstractmethod
    def get_index_of_this_subtask(self) -> int: ...

    @abstractmethod
    def get_number_of_parallel_subtasks(self) -> int: ...

    @abstractmethod
    def get_max_number_of_parallel_subtasks(self) -> int: ...

    @abstractmethod
    def get_attempt_number(self) -> int: ...

    @abstractmethod
    def get_state(self, descriptor: ValueStateDescriptor[T]) -> ValueState[T]: ...

    @abstractmethod
    def get_list_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]: ...

    @abstractmethod
    def get_map_state(self, descriptor: MapStateDescriptor[K, V]) -> MapState[K, V]: ...

    @abstractmethod
    def get_reducing_state(self, descriptor: ReducingStateDescriptor[T]) -> ReducingState[T]: ...

    @abstractmethod
    def get_aggregating_state(
        self, descriptor: AggregatingStateDescriptor[IN, ACC, OUT]
    ) -> AggregatingState[IN, OUT]: ...

    @abstractmethod
    def get_operator_list_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]:
        """State of this parallel instance, not of a key; dealt evenly when the job is rescaled."""

    @abstractmethod
    def get_operator_union_list_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]:
        """Like ``get_operator_list_state``, but after a restore every instance gets the elements of all."""


class TimerService(ABC):
    """Timers of the current key. One timer per key and timestamp; deleting an unknown one is a no-op."""

    @abstractmethod
    def current_processing_time(self) -> int:
        """Wall time, milliseconds since the epoch."""

    @abstractmethod
    def current_watermark(self) -> int:
        """Milliseconds since the epoch; ``MIN_TIMESTAMP`` before the first watermark."""

    @abstractmethod
    def register_event_time_timer(self, timestamp: int) -> None: ...

    @abstractmethod
    def register_processing_time_timer(self, timestamp: int) -> None: ...

    @abstractmethod
    def delete_event_time_timer(self, timestamp: int) -> None: ...

    @abstractmethod
    def delete_processing_time_timer(self, timestamp: int) -> None: ...


class Context(ABC):
    """Handed to ``process_element``; valid during the call only."""

    @abstractmethod
    def timestamp(self) -> int | None:
        """Event time of the element, milliseconds; ``None`` if the stream carries none."""

    @abstractmethod
    def timer_service(self) -> TimerService: ...

    @abstractmethod
    def output(self, tag: OutputTag[T], value: T) -> None:
        """Emit ``value`` to a side output."""


class KeyedContext(Context):
    """Context of a function on a keyed stream."""

    @abstractmethod
    def get_current_key(self) -> Any: ...


class OnTimerContext(KeyedContext):
    """Handed to ``on_timer``; ``timestamp()`` is the timer's."""

    @abstractmethod
    def time_domain(self) -> TimeDomain: ...


class ReadOnlyContext(Context):
    """Context of the non-broadcast side of a broadcast process function."""

    @abstractmethod
    def get_broadcast_state(self, descriptor: MapStateDescriptor[K, V]) -> MapState[K, V]: ...


class Function:
    """Base of all rich functions."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Called once before the first element, also after a restore; the only place to get state."""

    def close(self) -> None:
        """Called once at the end of an orderly run. Not promised when a process dies."""


class MapFunction(Function, ABC, Generic[IN, OUT]):
    """One result per element."""

    @abstractmethod
    def map(self, value: IN) -> OUT: ...


class FlatMapFunction(Function, ABC, Generic[IN, OUT]):
    """Any number of results per element."""

    @abstractmethod
    def flat_map(self, value: IN) -> Iterable[OUT]: ...


class FilterFunction(Function, ABC, Generic[IN]):
    """Keeps the elements for which ``filter`` is true."""

    @abstractmethod
    def filter(self, value: IN) -> bool: ...


class ReduceFunction(Function, ABC, Generic[T]):
    """Folds two values of one key into one of the same type."""

    @abstractmethod
    def reduce(self, value1: T, value2: T) -> T: ...


class KeySelector(Function, ABC, Generic[IN, K]):
    """Computes the key of an element; must give the same answer for equal elements."""

    @abstractmethod
    def get_key(self, value: IN) -> K: ...


class AggregateFunction(Function, ABC, Generic[IN, ACC, OUT]):
    """Folds elements into an accumulator."""

    @abstractmethod
    def create_accumulator(self) -> ACC: ...

    @abstractmethod
    def add(self, value: IN, accumulator: ACC) -> ACC: ...

    @abstractmethod
    def get_result(self, accumulator: ACC) -> OUT: ...

    @abstractmethod
    def merge(self, a: ACC, b: ACC) -> ACC: ...


class Partitioner(Function, ABC):
    """Chooses the subtask for ``partition_custom``."""

    @abstractmethod
    def partition(self, key: Any, num_partitions: int) -> int: ...


class ProcessFunction(Function, ABC, Generic[IN, OUT]):
    """Elements in, any number of elements and side outputs out; no key."""

    @abstractmethod
    def process_element(self, value: IN, ctx: Context) -> Iterable[OUT] | None: ...


class KeyedProcessFunction(Function, ABC, Generic[K, IN, OUT]):
    """State and timers per key."""

    @abstractmethod
    def process_element(self, value: IN, ctx: KeyedContext) -> Iterable[OUT] | None: ...

    def on_timer(self, timestamp: int, ctx: OnTimerContext) -> Iterable[OUT] | None:
        """A timer of the current key fired; never concurrent with ``process_element``."""
        return None


class CoMapFunction(Function, ABC, Generic[IN1, IN2, OUT]):
    """One result per element of either input."""

    @abstractmethod
    def map1(self, value: IN1) -> OUT: ...

    @abstractmethod
    def map2(self, value: IN2) -> OUT: ...


class CoFlatMapFunction(Function, ABC, Generic[IN1, IN2, OUT]):
    """Any number of results per element of either input."""

    @abstractmethod
    def flat_map1(self, value: IN1) -> Iterable[OUT] | None: ...

    @abstractmethod
    def flat_map2(self, value: IN2) -> Iterable[OUT] | None: ...


class CoProcessFunction(Function, ABC, Generic[IN1, IN2, OUT]):
    """Two connected streams without a key."""

    @abstractmethod
    def process_element1(self, value: IN1, ctx: Context) -> Iterable[OUT] | None: ...

    @abstractmethod
    def process_element2(self, value: IN2, ctx: Context) -> Iterable[OUT] | None: ...


class KeyedCoProcessFunction(Function, ABC, Generic[K, IN1, IN2, OUT]):
    """Two streams connected by key; both sides see the same state."""

    @abstractmethod
    def process_element1(self, value: IN1, ctx: KeyedContext) -> Iterable[OUT] | None: ...

    @abstractmethod
    def process_element2(self, value: IN2, ctx: KeyedContext) -> Iterable[OUT] | None: ...

    def on_timer(self, timestamp: int, ctx: OnTimerContext) -> Iterable[OUT] | None:
        """A timer of the current key fired."""
        return None


class BroadcastContext(Context):
    """Context of the broadcast side: it alone may write broadcast state."""

    @abstractmethod
    def get_broadcast_state(self, descriptor: MapStateDescriptor[K, V]) -> MapState[K, V]: ...


class BroadcastProcessFunction(Function, ABC, Generic[IN1, IN2, OUT]):
    """A stream connected with a broadcast stream: input 1 reads broadcast state, input 2 writes it."""

    @abstractmethod
    def process_element(self, value: IN1, ctx: ReadOnlyContext) -> Iterable[OUT] | None: ...

    @abstractmethod
    def process_broadcast_element(self, value: IN2, ctx: BroadcastContext) -> Iterable[OUT] | None: ...


class KeyedBroadcastProcessFunction(Function, ABC, Generic[K, IN1, IN2, OUT]):
    """A keyed stream connected with a broadcast stream; input 1 may also use keyed state and timers."""

    @abstractmethod
    def process_element(self, value: IN1, ctx: ReadOnlyKeyedContext) -> Iterable[OUT] | None: ...

    @abstractmethod
    def process_broadcast_element(self, value: IN2, ctx: BroadcastContext) -> Iterable[OUT] | None: ...

    def on_timer(self, timestamp: int, ctx: OnTimerContext) -> Iterable[OUT] | None:
        """A timer of the current key fired."""
        return None


class ReadOnlyKeyedContext(KeyedContext):
    """Keyed and with read access to broadcast state."""

    @abstractmethod
    def get_broadcast_state(self, descriptor: MapStateDescriptor[K, V]) -> MapState[K, V]: ...


def callable_of(function: Any, method: str, base: type) -> Callable[..., Any]:
    """The plain callable behind a function object or a lambda.

    Raises ``TypeError`` naming what was given, if it is neither callable nor an instance of ``base``.
    """
    if isinstance(function, base):
        bound: Callable[..., Any] = getattr(function, method)
        return bound
    if callable(function):
        plain: Callable[..., Any] = function
        return plain
    raise TypeError(f"expected a callable or a {base.__name__}, got {type(function).__name__}: {function!r}")
