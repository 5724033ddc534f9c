"""What the API server answers instead of an object, as one tree.

::

    TemporaryError
    +-- Absent           404   the object is not there
    +-- Conflict         409   somebody was faster, or something of that name exists already
    +-- Gone             410   the page or the version is too old: list again
    +-- Denied           401, 403   rights or a quota; both may change without an edit of the resource
    |   +-- NamespaceEnds      the namespace is being deleted: nothing can be made in it any more
    +-- Throttled        429   too many requests
    +-- Unanswered       5xx, timeouts, broken connections: whether a write was done is not known
    +-- NotLeading       this replica may not write any more
    PermanentError
    +-- Refused          400, 422   the object is wrong as it stands
"""

from __future__ import annotations

import json
from typing import Any

from weir_operator.errors import PermanentError, TemporaryError


class Absent(TemporaryError):
    """The object is not there."""


class Conflict(TemporaryError):
    """Somebody was faster, or something of that name exists already."""

    def __init__(self, message: str, *, reason: str = "Conflict") -> None:
        super().__init__(message, delay=0.5)
        #: ``AlreadyExists`` or ``Conflict``.
        self.reason = reason


class Gone(TemporaryError):
    """The page or the version is too old."""


class Denied(TemporaryError):
    """Rights or a quota."""

    def __init__(self, message: str) -> None:
        super().__init__(message, delay=30.0)


class NamespaceEnds(Denied):
    """The namespace is being deleted: nothing can be made in it any more."""


class Throttled(TemporaryError):
    """Too many requests; ``delay`` is what the server asked for."""


class Unanswered(TemporaryError):
    """No answer, or one that does not say whether the request was carried out."""


class NotLeading(TemporaryError):
    """This replica may not write any more: its Lease has run out, or somebody else holds it."""


class Refused(PermanentError):
    """The object is wrong as it stands."""


def refusal(what: str, status: int, body: bytes, retry_after: str | None) -> TemporaryError | PermanentError:
    """The error that an answer with this status is."""
    answer = _status_of(body)
    message = f"{what}: {status} {answer.get('message') or answer.get('reason') or body[:200].decode(errors='replace')}"
    if status == 404:
        return Absent(message)
    if status == 409:
        return Conflict(message, reason=str(answer.get("reason") or "Conflict"))
    if status == 410:
        return Gone(message, delay=0.5)
    if status in {401, 403}:
        return NamespaceEnds(message) if "NamespaceTerminating" in _causes(answer) else Denied(message)
    if status == 429:
        return Throttled(message, delay=_delay(retry_after, answer))
    if status >= 500:
        return Unanswered(message, delay=_delay(retry_after, answer))
    return Refused(message)


def _status_of(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _causes(answer: dict[str, Any]) -> set[Any]:
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return {cause.get("reason") for cause in causes or () if isinstance(cause, dict)}


def _delay(retry_after: str | None, answer: dict[str, Any]) -> float:
    details = answer.get("details")
    asked = retry_after or (details.get("retryAfterSeconds") if isinstance(details, dict) else None)
    try:
        return min(60.0, max(1.0, float(asked or 1.0)))
    except (TypeError, ValueError):
        return 1.0
