"""What a short-lived pod answers: one line of JSON that fits a container's termination message. Data and the cutting of it."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import structs

from weir.jobmanager.rest.models.report import Blocked, Snapshot

#: Bytes of a termination message, and characters of a text in it.
MOST: Final = 4096
_TEXT: Final = 1000


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was not deleted."""

    path: str
    why: str


class Inspection(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a job's log and folder say."""

    tail: int  #: 0: the job was never started
    epoch: int | None = None
    last_run: int | None = None
    ending: str | None = None
    #: What a start from the tail restores.
    newest: Snapshot | None = None
    #: Newest last; the oldest are left out where there are too many.
    retained: tuple[Snapshot, ...] = ()
    restore_blocked: Blocked | None = None
    note: str = ""


class Deletion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was deleted, and what is left."""

    deleted: int
    would_delete: int = 0  #: of a dry run, or where nothing may be deleted
    paths: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()


class Verdict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether a job can be started by an image."""

    fits: bool
    message: str
    slots_required: int | None = None
    parallelism: int | None = None
    max_parallelism: int | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """There is no answer, and why."""

    error: str


Answer = Inspection | Deletion | Verdict | Fault


def encoded(answer: Answer) -> bytes:
    """The line, cut to what fits: the oldest and the longest go first."""
    made = msgspec.json.encode(_shortened(answer))
    while len(made) > MOST:
        answer = _with_less(_shortened(answer))
        made = msgspec.json.encode(answer)
    return made


def _shortened(answer: Answer) -> Answer:
    match answer:
        case Inspection(restore_blocked=Blocked(reason=reason, choices=choices)):
            blocked = Blocked(reason=reason[:_TEXT], choices=tuple(choice[:300] for choice in choices[:4]))
            return structs.replace(answer, restore_blocked=blocked)
        case Verdict(message=message):
            return structs.replace(answer, message=message[:_TEXT])
        case Fault(error=error):
            return structs.replace(answer, error=error[-_TEXT:])
    return answer


def _with_less(answer: Answer) -> Answer:
    match answer:
        case Inspection(retained=retained) if retained:
            return structs.replace(answer, retained=retained[1:])
        case Inspection():
            return structs.replace(answer, restore_blocked=None, note="")
        case Deletion(paths=paths) if paths:
            return structs.replace(answer, paths=paths[1:])
        case Deletion(left=left) if left:
            return structs.replace(answer, left=left[:-1])
    return Fault(error="the answer is too long to be told")
