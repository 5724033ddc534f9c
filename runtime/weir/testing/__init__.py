"""For tests of jobs, of connectors, and of the engine.

``harness`` drives one function with time and crashes as data. Not loaded with this room: ``sources`` and ``sinks`` for
whole jobs, which ``cluster`` runs on real processes; ``conformance``, which crashes a connector at each call of its contract
and measures what it guarantees; ``simulation``, which runs whole clusters in one thread on virtual time.
"""

from weir.records import Watermark
from weir.testing.drive import ConnectedHarness, Harness, Timer
from weir.testing.harness import (
    BroadcastHarness,
    broadcast_harness,
    connected_harness,
    function_harness,
    keyed_harness,
    operator_harness,
)
from weir.testing.manual_clock import ManualClock
from weir.testing.recorded import stream_harness
from weir.testing.script import Checkpoint, Crash, Eof, InjectedCrash, Row, Wait
from weir.testing.snapshots import Snapshot
from weir.testing.strict import RowMutated, StateMutated

__all__ = [
    # harnesses
    "BroadcastHarness",
    "ConnectedHarness",
    "Harness",
    "Snapshot",
    "Timer",
    "broadcast_harness",
    "connected_harness",
    "function_harness",
    "keyed_harness",
    "operator_harness",
    "stream_harness",
    # what a script holds
    "Checkpoint",
    "Crash",
    "Eof",
    "Row",
    "Wait",
    "Watermark",
    # time
    "ManualClock",
    # what is caught
    "InjectedCrash",
    "RowMutated",
    "StateMutated",
]
