"""What a handler gets and gives: a request without its socket, an answer, a refusal. No aiohttp here.

A handler is a plain function ``(cluster, request) -> Answer``; it runs on the JobManager's event loop and returns at
once. What lasts is started by it and polled for; only who asks workers may give an awaitable.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import msgspec

from weir.checkpoint.start_directive import StartDirective
from weir.config import Layer, nearest
from weir.ids import TaskManagerId
from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.jobmanager.operations import Operation, Operations
from weir.jobmanager.stacks import Stacks
from weir.jobmanager.steering import Steering
from weir.rpc.logs import LogTail
from weir.rpc.messages import LogText

_T = TypeVar("_T")

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_ENCODER = msgspec.json.Encoder()
_TRIGGER_LENGTH = 32
_HEX_DIGITS = frozenset("0123456789abcdef")


class JobControl(Protocol):
    """A job, as far as REST steers it; ``jobmanager.job.Job`` is one."""

    operations: Operations
    steering: Steering

    def facts(self) -> JobFacts: ...

    def stop_nowait(self, kind: StopKind) -> None: ...

    def activate(self, directive: StartDirective) -> None: ...

    def trigger_checkpoint(self, trigger: str | None = None, *, full: bool = False) -> Operation: ...


class SavepointDisposal(Protocol):
    """Deletes savepoints; ``jobmanager.care.disposal.Disposals`` is one."""

    operations: Operations

    def dispose(self, path: str, trigger: str | None = None) -> Operation: ...


class Jobs(Protocol):
    """The jobs of a JobManager; ``jobmanager.dispatcher.Dispatcher`` is one."""

    @property
    def stacks(self) -> Stacks: ...

    @property
    def disposals(self) -> SavepointDisposal: ...

    def facts(self, *, with_jobs: bool = True) -> ClusterFacts: ...

    def now_ms(self) -> int:
        """Wall time."""
        ...

    async def read_log(self, task_manager: TaskManagerId, *, text: bool) -> LogText | None:
        """What a TaskManager logged, or only how much; ``None``: it does not answer."""
        ...

    def find(self, job: str) -> JobControl:
        """Raises ``UnknownJob``."""
        ...


@dataclass(frozen=True)
class Cluster:
    """What handlers work on."""

    jobs: Jobs
    #: Settings of this process, lowest layer first.
    layers: tuple[Layer, ...] = ()
    #: What this process logged.
    log: LogTail = field(default_factory=LogTail)
    #: Where REST is served, ``host:port``.
    address: str = ""


@dataclass(frozen=True)
class Request:
    """One request: what its path's parameters stand for, its query, its body."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: Header ``Weir-Operator``: the StreamJob for which an operator asks.
    operator: str | None = None


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    body: bytes = b"{}"
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The request is not carried out; the message is for people, and nothing has changed."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class Access(enum.Enum):
    """Who may use a route."""

    PROBE = "probe"  #: anybody, everywhere
    TOKEN = "token"  # noqa: S105  on loopback anybody, elsewhere who has the token


Handler = Callable[[Cluster, Request], Answer | Awaitable[Answer]]


def json_answer(model: Any, status: int = 200) -> Answer:
    """``model`` as JSON."""
    return Answer(_ENCODER.encode(model), status)


def refusal_answer(refusal: Refusal) -> Answer:
    """Flink's body for errors."""
    body = _ENCODER.encode({"errors": [str(refusal)]})
    return Answer(body, refusal.status, headers=refusal.headers)


def body_of(request: Request, model: type[_T]) -> _T:
    """The request's JSON body. An empty one is ``{}``. Raises ``Refusal`` (400)."""
    try:
        return msgspec.json.decode(request.body.strip() or b"{}", type=model)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refusal(400, f"the request's body is wrong: {error}") from error
    except RecursionError as error:
        raise Refusal(400, "the request's body is wrong: it is nested too deeply") from error


def check_trigger(trigger: str | None) -> None:
    """Raises ``Refusal`` (400) for a caller's own trigger id that is none."""
    if trigger is not None and (len(trigger) != _TRIGGER_LENGTH or set(trigger) - _HEX_DIGITS):
        raise Refusal(400, f"triggerId {trigger!r}: expected {_TRIGGER_LENGTH} lower-case hex digits")


def whole_number(text: str, name: str) -> int:
    """A number of a path. Raises ``Refusal`` (404, as for anything that does not exist)."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Refusal(404, f"{name} {text!r} is not a number")
    return int(text)


def not_found(kind: str, name: str, known: Iterable[str]) -> Refusal:
    """404 with the nearest known name."""
    near = nearest(name, known)
    return Refusal(404, f"no {kind} {name!r}" + (f"; did you mean {near}?" if near else ""))
