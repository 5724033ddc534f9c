"""Every reason that the operator can say is in the catalogue that the reference page is made from, and none besides."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from weir_operator.clients import jobmanager, refusals
from weir_operator.errors import PermanentError, TemporaryError
from weir_operator.models import ConditionType, UpgradeReason
from weir_operator.observed import Ending
from weir_operator.reconciler.objects import NameTaken, Unfinished
from weir_operator.status import catalog
from weir_operator.status.causes import Cause

ROOMS = Path(__file__).parent.parent.parent / "operator/weir_operator"
#: What a pass that fails by these does about it is another thing than to tell of it.
NEVER_TOLD = {"Conflict", "NotLeading", "Unfinished", "Refused"}


def calls(name: str, folder: str = "", *, besides: str = "no folder") -> Iterator[ast.Call]:
    for path in sorted((ROOMS / folder).rglob("*.py")):
        if besides in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", getattr(node.func, "id", "")) == name
            ):
                yield node


def words(node: ast.expr | None) -> Iterator[str]:
    """The texts that an argument can be; one that is no literal is answered for by the enumeration that it is of."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id="INVALID_SPEC"):
            yield "InvalidSpec"
        case ast.JoinedStr(
            values=[ast.FormattedValue(value=ast.Name(id="reason")), ast.Constant(value="Started")]
        ):
            yield from (f"{reason}Started" for reason in UpgradeReason)
        case ast.Name(id="ending"):
            yield from (Ending.FINISHED, Ending.FAILED, Ending.CANCELLED)
        case ast.IfExp(body=body, orelse=orelse):
            yield from words(body)
            yield from words(orelse)


def said(folder: str, besides: str) -> set[str]:
    found: set[str] = set()
    for call in calls("say", folder, besides=besides):
        posted = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "attr", "") == "_events"
        found |= set(words(call.args[1 if posted else 0]))
    return found


def blocked(position: int, keyword: str) -> set[str]:
    found: set[str] = set()
    for call in calls("block"):
        found |= set(words(call.args[position]))
    for call in calls("Blocked"):
        found |= {word for kw in call.keywords if kw.arg == keyword for word in words(kw.value)}
    return found


def test_events_of_a_stream_job() -> None:
    assert said("reconciler", besides="snapshots") | blocked(0, "condition") == set(catalog.EVENTS)


def test_events_of_a_snapshot() -> None:
    hopeless = {
        word
        for node in ast.walk(ast.parse((ROOMS / "reconciler/snapshots/taking.py").read_text()))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)
        for word in words(node.value.elts[0])
    }
    given_up = {word for call in calls("_give_up", "reconciler/snapshots") for word in words(call.args[-2])}
    found = said("reconciler/snapshots", besides="no folder") | hopeless | given_up
    assert found == set(catalog.SNAPSHOT_EVENTS)


def test_reasons_of_what_is_blocked() -> None:
    assert blocked(1, "reason") | {"InvalidSpec"} == set(catalog.REASONS)


def test_what_hinders_the_operator() -> None:
    def below(kind: type[Exception]) -> Iterator[str]:
        for sub in kind.__subclasses__():
            yield sub.__name__
            yield from below(sub)

    assert NameTaken in TemporaryError.__subclasses__()
    assert {Unfinished, refusals.Absent, jobmanager.JobManagerRefused} <= set(TemporaryError.__subclasses__())
    assert PermanentError.__subclasses__()
    assert {*below(TemporaryError)} - NEVER_TOLD | {"ReconcileFailed"} == set(catalog.MISHAPS)


def test_every_condition_and_every_cause_is_described() -> None:
    assert set(catalog.CONDITIONS) == set(ConditionType)
    assert set(catalog.CAUSES) == set(Cause)
    tables = (catalog.EVENTS, catalog.SNAPSHOT_EVENTS, catalog.REASONS, catalog.MISHAPS, catalog.CAUSES)
    assert all(text.endswith(".") for table in tables for text in table.values())
