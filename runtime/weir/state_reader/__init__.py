"""Savepoints read, changed and written again by a Python program, without a job: ``from weir.state_reader import Savepoint``.

``savepoint`` opens one and writes another; ``operators`` has the state of one operator; ``keyed`` and ``lists`` are what is
handed out of it; ``migration`` gives state other keys or another max parallelism. State is held in memory while it is worked on.
"""

from weir.state_reader.keyed import StateTable, TimerSet
from weir.state_reader.lists import BroadcastTable
from weir.state_reader.operators import SavepointOperator
from weir.state_reader.savepoint import Savepoint

__all__ = [
    # savepoints offline
    "Savepoint",
    "SavepointOperator",
    "StateTable",
    "TimerSet",
    "BroadcastTable",
]
