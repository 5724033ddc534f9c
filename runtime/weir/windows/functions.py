"""What users implement to see a window: its rows or its aggregate, its bounds, and state of key and window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from weir.functions import Function, OutputTag
from weir.windows.window import Window

if TYPE_CHECKING:
    from weir.state.descriptors import (
        AggregatingStateDescriptor,
        ListStateDescriptor,
        MapStateDescriptor,
        ReducingStateDescriptor,
        ValueStateDescriptor,
    )
    from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, ValueState

IN = TypeVar("IN")
OUT = TypeVar("OUT")
KEY = TypeVar("KEY")
ACC = TypeVar("ACC")
K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
W = TypeVar("W", bound=Window)
W_co = TypeVar("W_co", bound=Window, covariant=True)


class KeyedStateStore(ABC):
    """State of the current key; of the current window too, or of all of them."""

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


class WindowContext(ABC, Generic[W_co]):
    """Handed to a ``ProcessWindowFunction``; valid during the call only."""

    @abstractmethod
    def window(self) -> W_co:
        """The window that fires."""

    @abstractmethod
    def current_watermark(self) -> int:
        """Milliseconds since the epoch; ``MIN_TIMESTAMP`` before the first watermark."""

    @abstractmethod
    def current_processing_time(self) -> int:
        """Wall time, milliseconds since the epoch."""

    @abstractmethod
    def window_state(self) -> KeyedStateStore:
        """State of this key and window, for windows that fire more than once; it is dropped with the window.

        Raises ``StateAccessError`` when a state is asked of it for windows that merge: they have none of their own.
        """

    @abstractmethod
    def global_state(self) -> KeyedStateStore:
        """State of this key, shared by all of its windows."""

    @abstractmethod
    def output(self, tag: OutputTag[T], value: T) -> None:
        """Emit ``value`` to a side output, with the window's last millisecond as its event time."""


class ProcessWindowFunction(Function, ABC, Generic[IN, OUT, KEY, W]):
    """Sees a window when it fires: its key, its bounds and its rows (or the one aggregate of them)."""

    @abstractmethod
    def process(self, key: KEY, context: WindowContext[W], elements: Iterable[IN]) -> Iterable[OUT] | None:
        """Yield any number of results. ``elements`` are in the order in which they came."""

    def clear(self, context: WindowContext[W]) -> None:
        """The window is gone. Its ``window_state`` goes by itself."""


class WindowFunction(Function, ABC, Generic[IN, OUT, KEY, W]):
    """The simpler form of ``ProcessWindowFunction``, without a context."""

    @abstractmethod
    def apply(self, key: KEY, window: W, inputs: Iterable[IN]) -> Iterable[OUT] | None:
        """Yield any number of results."""


AnyWindowFunction = ProcessWindowFunction[Any, Any, Any, Any] | WindowFunction[Any, Any, Any, Any]
