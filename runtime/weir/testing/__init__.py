"""For tests of jobs, of connectors, and of the engine. Names are loaded when they are first used, as in ``weir``.

``harness`` drives one function with time and crashes as data; ``sources`` and ``sinks`` are for whole jobs, which ``cluster``
runs on real processes; ``pytest_plugin`` has fixtures for both. Of their own: ``conformance``, which crashes a connector at
each call of its contract and measures what it guarantees, and ``simulation``, which runs whole clusters in one thread on
virtual time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weir.records import Watermark
    from weir.testing.cluster import run_job
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
    from weir.testing.sinks import FolderSink
    from weir.testing.snapshots import Snapshot
    from weir.testing.sources import ScriptedSource, crash_when
    from weir.testing.strict import RowMutated, StateMutated

_HOMES = {
    "records": "Watermark",
    "testing.cluster": "run_job",
    "testing.drive": "ConnectedHarness Harness Timer",
    "testing.harness": "BroadcastHarness broadcast_harness connected_harness function_harness keyed_harness operator_harness",
    "testing.manual_clock": "ManualClock",
    "testing.recorded": "stream_harness",
    "testing.script": "Checkpoint Crash Eof InjectedCrash Row Wait",
    "testing.sinks": "FolderSink",
    "testing.snapshots": "Snapshot",
    "testing.sources": "ScriptedSource crash_when",
    "testing.strict": "RowMutated StateMutated",
}
_HOME_OF = {name: f"weir.{room}" for room, names in _HOMES.items() for name in names.split()}

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
    # whole jobs
    "FolderSink",
    "ScriptedSource",
    "crash_when",
    "run_job",
    # time
    "ManualClock",
    # what is caught
    "InjectedCrash",
    "RowMutated",
    "StateMutated",
]


def __getattr__(name: str) -> Any:
    """Load a name of this room from where it lives."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'weir.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
