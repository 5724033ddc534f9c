"""State of operators: descriptors and handles for users, the stores behind them, and the state file.

The operators room builds one ``KeyedStateStore`` and one ``OperatorStateStore`` per operator and subtask;
``rescale`` says which old files each of them reads; ``snapshot`` names what was written.
"""

from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    StateKind,
    ValueStateDescriptor,
)
from weir.state.handles import (
    AggregatingState,
    BroadcastState,
    ListState,
    MapState,
    ReducingState,
    State,
    ValueState,
)
from weir.state.heap import NO_KEY, KeyCell
from weir.state.keyed import KeyedStateStore
from weir.state.operator_state import OperatorStateStore
from weir.state.timers import TimerQueue

__all__ = [
    "NO_KEY",
    "AggregatingState",
    "AggregatingStateDescriptor",
    "BroadcastState",
    "KeyCell",
    "KeyedStateStore",
    "ListState",
    "ListStateDescriptor",
    "MapState",
    "MapStateDescriptor",
    "OperatorStateStore",
    "ReducingState",
    "ReducingStateDescriptor",
    "State",
    "StateDescriptor",
    "StateKind",
    "TimerQueue",
    "ValueState",
    "ValueStateDescriptor",
]
