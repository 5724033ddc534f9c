"""What a new version of a job changes in its graph, operator by operator, for people: said before the version is applied.

``outline`` is what is kept of a plan: small enough to travel with a StreamJob, so that the next version is compared with it and nobody
runs the old code. Operators are matched by id, as their state is. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from weir.graph.physical import EdgeKind, PhysicalPlan


class OutlinedOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of a plan."""

    name: str
    uid: str | None = None
    type: str
    code: str  #: hash of its function
    parallelism: int
    #: Id of each operator that feeds it -> how rows get from there to here.
    inputs: dict[str, str] = {}

    def __str__(self) -> str:
        return f"'{self.name}'" + (f" (uid {self.uid})" if self.uid not in {None, self.name} else "")


#: Operators by id, in the order of the plan.
Outline = dict[str, OutlinedOperator]


def outline(plan: PhysicalPlan) -> Outline:
    """The operators of a plan; an enumerator of splits is a part of its source."""
    found: Outline = {}
    fed = {edge.target for edge in plan.edges if edge.kind is EdgeKind.SPLITS}
    vertices = {vertex.id: vertex for vertex in plan.vertices}
    enumerators = {edge.source for edge in plan.edges if edge.kind is EdgeKind.SPLITS}
    for vertex in plan.vertices:
        if vertex.id in enumerators:
            continue
        outer = {
            vertices[edge.source].operators[edge.source_operator].operator_id: edge.partitioning.value
            for edge in plan.edges
            if edge.target == vertex.id and edge.source not in enumerators
        }
        for operator in vertex.operators:
            if operator.upstream is None:
                inputs = {} if vertex.id in fed else outer
            else:
                inputs = {vertex.operators[operator.upstream].operator_id: "chained"}
            found[operator.operator_id] = OutlinedOperator(
                name=operator.name,
                uid=operator.uid,
                type=operator.type,
                code=operator.code_hash,
                parallelism=vertex.parallelism,
                inputs={str(source): how for source, how in inputs.items()},
            )
    return found


def encode(found: Outline) -> str:
    """As JSON text."""
    return msgspec.json.encode(found).decode()


def decode(text: str) -> Outline | None:
    """None for what is no outline, such as one of another release."""
    try:
        return msgspec.json.decode(text, type=Outline)
    except msgspec.DecodeError:
        return None


def changes(before: Outline, after: Outline) -> tuple[str, ...]:
    """A sentence for each thing that differs: operators that go, that come, and that are not what they were."""
    return (
        *(
            f"operator {gone} is gone: a snapshot with state of it needs job.allowNonRestoredState"
            for found, gone in before.items()
            if found not in after
        ),
        *(
            f"operator {new} is new: it begins without state"
            for found, new in after.items()
            if found not in before
        ),
        *(
            f"operator {after[found]} {what}"
            for found, old in before.items()
            if found in after
            for what in _differences(old, after[found], {**before, **after})
        ),
    )


def _differences(old: OutlinedOperator, new: OutlinedOperator, known: Outline) -> Iterator[str]:
    if old.name != new.name:
        yield f"was called '{old.name}'"
    if old.type != new.type:
        yield f"is a {new.type} and was a {old.type}"
    elif old.code != new.code:
        yield f"has other code or settings ({old.code[:8]} -> {new.code[:8]})"
    if old.parallelism != new.parallelism:
        yield f"has parallelism {new.parallelism} instead of {old.parallelism}"
    if old.inputs != new.inputs:
        yield f"gets its rows {_ways(new, known)} instead of {_ways(old, known)}"


def _ways(operator: OutlinedOperator, known: Outline) -> str:
    ways = [f"from {known.get(source, source)} ({how})" for source, how in operator.inputs.items()]
    return " and ".join(ways) or "from nowhere"
