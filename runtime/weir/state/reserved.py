"""Names of the engine's own states and sections. They are part of the snapshot format, so they stay for ever.

Whoever writes them and whoever shows a snapshot to people (``checkpoint.inspection``) take the names from here.
"""

from __future__ import annotations

from typing import Final

#: Operator state of a reader: its splits with their positions, each as msgpack.
SPLITS: Final = "_splits"
#: Operator state of an enumerator: what ``SplitEnumerator.snapshot`` gave.
ENUMERATOR: Final = "_enumerator"
#: Operator state of an enumerator: the number of readers, and those that get no more splits.
TOLD: Final = "_told"
#: Operator state of a sink: what is committed once the snapshot is complete, each as msgpack.
COMMITTABLES: Final = "_committables"

#: Kinds of the sections that hold timers.
EVENT_TIMERS: Final = "event-timers"
PROCESSING_TIMERS: Final = "processing-timers"

#: Keyed state of windows: folded values and rows by window, their states by name, and what merges.
WINDOW_VALUES: Final = "_window_values"
WINDOW_ELEMENTS: Final = "_window_elements"
WINDOW_STATES: Final = "_window_states"
WINDOW_TIMERS: Final = "_window_timers"
WINDOW_MERGES: Final = "_window_merges"
