"""The operator and the API server judge documents alike: random ones, and good ones with one mutation."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.faulty_stream_jobs import ONLY_THE_OPERATOR, SNAPSHOTS, TABLE
from tests.support.random_stream_jobs import documents
from tests.support.stream_jobs import FULL
from tests.support.structural import faults, pruned
from weir_operator.models import StreamJob, StreamJobSnapshot, StreamJobSnapshotSpec, StreamJobSpec, crd
from weir_operator.validation import snapshot_faults, stream_job_faults

SCHEMAS = {
    StreamJob: crd.stream_job()["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
    StreamJobSnapshot: crd.stream_job_snapshot()["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
}
JUDGES = {StreamJob: stream_job_faults, StreamJobSnapshot: snapshot_faults}
#: Words of faults that CEL is not asked about.
OPERATOR_ONLY = (
    "are above limits", "is no key", "is no value of a label", "have the same mountPath", "expected one value", "expected numbers",
    "never comes",
)  # fmt: skip


def body(spec: Any, name: str = "flights") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


def of_the_server(kind: type[Any], spec: Any) -> list[str]:
    return sorted({path for path, _ in faults(body(spec), SCHEMAS[kind])})


def of_the_operator(kind: type[Any], spec: Any) -> list[str]:
    found = [
        fault
        for fault in JUDGES[kind](body(spec))
        if not any(word in fault.message for word in OPERATOR_ONLY)
    ]
    return sorted({fault.path for fault in found})


def agree(kind: type[Any], spec: dict[str, Any]) -> None:
    server, operator = of_the_server(kind, spec), of_the_operator(kind, spec)
    assert bool(server) == bool(operator)
    # A duration that is none is a text to the server's rules, and to the operator's nothing; else it tells all that the server does.
    if not any("expected a duration such" in str(fault) for fault in JUDGES[kind](body(spec))):
        # A rule over a whole, such as that names differ, waits in the operator until its parts are right.
        waits = {
            path for path in server if any(told.startswith((f"{path}.", f"{path}[")) for told in operator)
        }
        assert set(server) - waits <= set(operator)


@given(documents(StreamJobSpec))
def test_a_random_job_is_judged_alike(spec: dict[str, Any]) -> None:
    agree(StreamJob, spec)


@given(documents(StreamJobSnapshotSpec))
def test_a_random_snapshot_is_judged_alike(spec: dict[str, Any]) -> None:
    agree(StreamJobSnapshot, spec)


@given(documents(StreamJobSpec, wrong=0))
def test_a_job_that_is_accepted_comes_back_as_it_was_written_and_nothing_of_it_is_pruned(
    spec: dict[str, Any],
) -> None:
    if not stream_job_faults(body(spec)):
        assert StreamJob.of(body(spec)).spec.written() == spec
        assert pruned(spec, SCHEMAS[StreamJob]["properties"]["spec"]) == spec


@pytest.mark.parametrize("case", sorted(TABLE.keys() - ONLY_THE_OPERATOR))
def test_a_known_fault_is_found_by_both_at_the_same_place(case: str) -> None:
    spec = {"job": {"entrypoint": "m:build"}, **TABLE[case][0]}
    assert of_the_server(StreamJob, spec) == of_the_operator(StreamJob, spec)


@pytest.mark.parametrize("case", sorted(ONLY_THE_OPERATOR))
def test_what_only_the_operator_can_say_is_accepted_by_the_schema(case: str) -> None:
    spec = {"job": {"entrypoint": "m:build"}, **TABLE[case][0]}
    assert of_the_server(StreamJob, spec) == []
    assert JUDGES[StreamJob](body(spec))


@pytest.mark.parametrize("case", SNAPSHOTS)
def test_a_known_fault_of_a_snapshot_is_found_by_both_at_the_same_place(case: str) -> None:
    assert of_the_server(StreamJobSnapshot, SNAPSHOTS[case][0]) == of_the_operator(
        StreamJobSnapshot, SNAPSHOTS[case][0]
    )


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Places of all fields of a document."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    below = [found for name, child in children for found in leaves(child, (*place, name))]
    return [*([place] if place else []), *below]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """FULL with one field of another type, or one that is unknown; and the path of what was changed."""
    spec = deepcopy(FULL)
    places = [place for place in leaves(spec) if "requests" not in place and "limits" not in place]
    *above, last = draw(st.sampled_from(places))
    holder: Any = spec
    for part in above:
        holder = holder[part]
    free = isinstance(holder, dict) and last in ("labels", "annotations", "nodeSelector", "config")
    if draw(st.booleans()) and isinstance(holder[last], dict) and not free:
        holder[last]["unheardOf"] = 1
        return spec, path((*above, last, "unheardOf"))
    holder[last] = [{}] if not isinstance(holder[last], list) else {"a": []}
    return spec, path((*above, last))


def path(place: tuple[Any, ...]) -> str:
    return "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)


@given(mutated())
def test_a_mutation_of_a_good_job_is_refused_by_name(mutation: tuple[dict[str, Any], str]) -> None:
    spec, changed = mutation
    assert changed in of_the_server(StreamJob, spec)
    assert changed in of_the_operator(StreamJob, spec)


@given(
    st.sampled_from([128, 64]),
    st.sampled_from([128, 64, None]),
    st.sampled_from(["Stateless", "LastState", None]),
)
def test_a_change_of_key_groups_is_judged_alike(before: int, after: int | None, mode: str | None) -> None:
    def spec(groups: int | None, mode: str | None) -> dict[str, Any]:
        job = {"entrypoint": "m:build", "parallelism": 1} | (
            {} if groups is None else {"maxParallelism": groups}
        )
        return {"job": job} | ({} if mode is None else {"upgrade": {"mode": mode}})

    old, new = spec(before, None), spec(after, mode)
    server = faults(new, SCHEMAS[StreamJob]["properties"]["spec"], "spec", old)
    operator = stream_job_faults(body(new), previous=StreamJobSpec.model_validate(old))
    assert [at for at, _ in server] == [fault.path for fault in operator]


@pytest.mark.parametrize("name", ["flights", "a" * 45, "a" * 46, "a.b", "7up", "a-1", "a"])
def test_a_name_is_judged_alike(name: str) -> None:
    document = body({"job": {"entrypoint": "m:build", "parallelism": 1}}, name)
    assert bool(faults(document, SCHEMAS[StreamJob])) == bool(stream_job_faults(document))
