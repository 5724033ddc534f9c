"""A whole cluster in one thread: real JobManager and task code on virtual time, every ordering decided by a seed.

``virtual_time`` is the event loop and its processes, which can be frozen and killed; ``blocking_calls`` runs what blocks,
one storage call at a time; ``storage`` and ``connections`` fail on order; ``worker`` and ``cluster`` put the engine
into them. What a run does is written to a ``trace``; the same seed gives the same trace to the last byte.
"""

from weir.testing.simulation.cluster import Cluster, ClusterOptions, SimulatedJob
from weir.testing.simulation.storage import Effect, StorageObserver
from weir.testing.simulation.trace import Trace
from weir.testing.simulation.virtual_time import SimulatedLoop, Stuck
from weir.testing.simulation.weather import Weather

__all__ = [
    "Cluster",
    "ClusterOptions",
    "Effect",
    "SimulatedJob",
    "SimulatedLoop",
    "StorageObserver",
    "Stuck",
    "Trace",
    "Weather",
]
