"""Whether a running job can change its parallelism in place, and which TaskManagers it stays on. Decides; pure."""

from __future__ import annotations

from collections.abc import Mapping

from weir.checkpoint.metadata import label_of
from weir.graph.physical import PhysicalPlan, PhysicalVertex, VertexKind
from weir.ids import TaskManagerId


def refusal(job: str, plan: PhysicalPlan, *, at: int, wanted: int) -> str | None:
    """Why ``plan``, made for parallelism ``at``, cannot become one for ``wanted``; ``None``: it can."""
    vertices = [vertex for vertex in plan.vertices if vertex.kind is not VertexKind.ENUMERATOR]
    own = [vertex for vertex in vertices if vertex.parallelism != at]
    if own:
        said = ", ".join(f"{_label(vertex)} has parallelism {vertex.parallelism}" for vertex in own)
        return (
            f"job {job} cannot be rescaled to {wanted} in place: of its own, {said}; leave set_parallelism() out there, "
            "or stop the job with a savepoint and start it from that"
        )
    narrow = [vertex for vertex in vertices if vertex.max_parallelism < wanted]
    if narrow:
        said = ", ".join(
            f"{_label(vertex)} has max parallelism {vertex.max_parallelism}" for vertex in narrow
        )
        return (
            f"job {job} cannot have parallelism {wanted}: {said}; ask for less, or start without state and with a higher "
            "max parallelism"
        )
    return None


def _label(vertex: PhysicalVertex) -> str:
    head = vertex.operators[0]
    return label_of(head.uid, head.name, head.operator_id)


def stays_on(held: Mapping[TaskManagerId, int], needed: int) -> frozenset[TaskManagerId]:
    """As few of the TaskManagers as have ``needed`` of the slots that the job holds (``held``), so that others get free."""
    kept: set[TaskManagerId] = set()
    while held.keys() - kept and (missing := needed - sum(held[name] for name in kept)) > 0:
        left = sorted(held.keys() - kept, key=lambda name: (held[name], name))
        # The smallest that will do, else the largest.
        kept.add(next((name for name in left if held[name] >= missing), left[-1]))
    return frozenset(kept)
