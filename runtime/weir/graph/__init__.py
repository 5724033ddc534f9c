"""The job as data: the logical graph that code records, and the physical plan that is deployed. All of it is pure.

Other rooms use ``logical`` and ``physical`` (the data), ``plan.make_plan``, ``partitioning.channels_of``, ``codec``
(bytes), ``render`` (text) and ``difference.first_difference``. Read ``plan`` first.
"""

from __future__ import annotations

from weir.graph.difference import first_difference
from weir.graph.partitioning import channels_of, sources_of
from weir.graph.plan import make_plan, plan_with, slots_required
from weir.graph.render import render

__all__ = [
    "channels_of",
    "first_difference",
    "make_plan",
    "plan_with",
    "render",
    "slots_required",
    "sources_of",
]
