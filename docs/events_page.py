"""The reference page of conditions, events and root causes, made from the operator's catalogue; ``generate`` writes it."""

from __future__ import annotations

from collections.abc import Mapping

from weir_operator.status import catalog

_HEAD = """\
# Conditions, events and root causes

What the operator says of a StreamJob, and what helps. `kubectl describe sj NAME` shows all of it; `kubectl wait sj/NAME --for=condition=Ready` waits.

## Conditions

Ready, Progressing, Degraded and Suspended are always there, with `observedGeneration`; the others while they hold.

"""
_REASONS = """
## Why a change is not made, or the job is not well

Reasons of `UpgradeBlocked`, `RestoreBlocked` and `Degraded`.

"""
_EVENTS = """
## Events of a StreamJob

Each is said once; what is said again within an hour is counted. There are at most three events an hour for one reason.

"""
_SNAPSHOT_EVENTS = "\n## Events of a StreamJobSnapshot\n\n"
_MISHAPS = """
## What hinders the operator

Reasons of the condition `ReconcileFailed`; each is an event, too.

"""
_CAUSES = """
## Root causes

Classes of `status.rootCause.kind`. Beside it stand the message, the pod, and `logTail`: the end of what the process said, or of the traceback.

"""


def events() -> str:
    """The text of ``events.md``."""
    return "".join(
        [
            _HEAD,
            _table("condition", catalog.CONDITIONS),
            _REASONS,
            _table("reason", catalog.REASONS),
            _EVENTS,
            _table("event", catalog.EVENTS),
            _SNAPSHOT_EVENTS,
            _table("event", catalog.SNAPSHOT_EVENTS),
            _MISHAPS,
            _table("reason", catalog.MISHAPS),
            _CAUSES,
            _table("class", catalog.CAUSES),
        ]
    )


def _table(name: str, rows: Mapping[str, str]) -> str:
    return f"| {name} | |\n|---|---|\n" + "".join(f"| `{word}` | {text} |\n" for word, text in rows.items())
