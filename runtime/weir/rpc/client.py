"""The other end of gRPC: a supervisor's session with a JobManager, and a client's calls.

``connect_session`` opens the stream; :class:`JobManagerClient` makes calls, each bounded in time. A JobManager that
does not answer is ``Unreachable``; one that refuses raises the exception that it names.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import grpc.aio
import msgspec

from weir import errors
from weir.ids import JobId
from weir.rpc import codec, links, wire
from weir.rpc.messages import JobSpec, SessionDown, SessionUp
from weir.rpc.requests import (
    Answer,
    Cancel,
    ClusterAnswer,
    Done,
    GetCluster,
    GetSavepoint,
    GetStatus,
    JobStatus,
    Refused,
    Request,
    Rescale,
    SavepointAnswer,
    Shutdown,
    StatusAnswer,
    Stop,
    Submit,
    Submitted,
    Suspend,
    TriggerSavepoint,
)
from weir.rpc.tls import JOBMANAGER, TlsFolder

_ANSWER = msgspec.msgpack.Decoder(Answer)
_A = TypeVar("_A")


class Unreachable(errors.WeirError):
    """No JobManager answers at the address (it starts, is restarted, or is gone)."""

    retryable = True


class JobManagerClient:
    """Calls to one JobManager; an async context manager. One channel, re-connected by gRPC as needed."""

    def __init__(self, address: str) -> None:
        """``address`` is ``host:port``."""
        self.address = address
        self._channel = grpc.aio.insecure_channel(address, options=wire.OPTIONS)
        self._call = self._channel.unary_unary(f"/{wire.SERVICE}/{wire.CALL}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def submit(
        self,
        job: JobSpec,
        *,
        recovering: bool = False,
        job_id: JobId | None = None,
        restore_policy: str = "Resume",
        token: str = "",
        timeout: float = 600.0,
    ) -> JobId:
        """Hand a job in; its id, once it is planned. How it fares after that, its status tells.

        Repeated with the same ``token`` or ``job_id``, it gives the same answer.
        """
        request = Submit(
            job=job, recovering=recovering, job_id=job_id, restore_policy=restore_policy, token=token
        )
        return (await self._ask(request, Submitted, timeout)).job_id

    async def status(self, job: str, timeout: float = 5.0) -> JobStatus:
        """The status of a job by id or name."""
        return (await self._ask(GetStatus(job=job), StatusAnswer, timeout)).status

    async def suspend(self, job: str, timeout: float = 30.0) -> None:
        """Stop a job at its last completed checkpoint."""
        await self._ask(Suspend(job=job), Done, timeout)

    async def cancel(self, job: str, timeout: float = 60.0) -> None:
        """Stop a job for good."""
        await self._ask(Cancel(job=job), Done, timeout)

    async def savepoint(
        self, job: str, target: str | None = None, trigger: str = "", timeout: float = 10.0
    ) -> SavepointAnswer:
        """Take a savepoint; how it fares, ``savepoint_outcome`` tells."""
        request = TriggerSavepoint(job=job, target=target, trigger=trigger)
        return await self._ask(request, SavepointAnswer, timeout)

    async def stop(
        self,
        job: str,
        target: str | None = None,
        *,
        drain: bool = False,
        trigger: str = "",
        timeout: float = 10.0,
    ) -> SavepointAnswer:
        """Stop a job with a savepoint; how that fares, ``savepoint_outcome`` tells."""
        request = Stop(job=job, target=target, drain=drain, trigger=trigger)
        return await self._ask(request, SavepointAnswer, timeout)

    async def savepoint_outcome(self, job: str, trigger: str, wait: float = 2.0) -> SavepointAnswer:
        """How a savepoint, or a stop with one, fares; waits up to ``wait`` seconds for its end."""
        request = GetSavepoint(job=job, trigger=trigger, wait=wait)
        return await self._ask(request, SavepointAnswer, wait + 5.0)

    async def rescale(self, job: str, parallelism: int, trigger: str = "", timeout: float = 300.0) -> None:
        """Give a job another parallelism; returns when all its subtasks run again."""
        await self._ask(Rescale(job=job, parallelism=parallelism, trigger=trigger), Done, timeout)

    async def cluster(self, timeout: float = 5.0) -> ClusterAnswer:
        """All TaskManagers and jobs."""
        return await self._ask(GetCluster(), ClusterAnswer, timeout)

    async def shutdown(self, timeout: float = 30.0) -> None:
        """End the JobManager and its TaskManagers."""
        await self._ask(Shutdown(), Done, timeout)

    async def _ask(self, request: Request, expected: type[_A], timeout: float) -> _A:
        name = type(request).__name__
        try:
            metadata = ((wire.RELEASE, codec.release()),)
            data = await self._call(codec.encode(request), timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            detail = f"{error.code().name}: {error.details()}"
            raise Unreachable(
                f"no answer to {name} from a JobManager at {self.address} ({detail})"
            ) from error
        try:
            answer = _ANSWER.decode(data)
        except msgspec.MsgspecError as error:
            raise codec.ProtocolError(
                f"{self.address} answered {name} by what Weir {codec.release()} does not understand: {error}"
            ) from error
        if isinstance(answer, Refused):
            kind = getattr(errors, answer.error, errors.WeirError)
            raise kind(answer.message)
        if not isinstance(answer, expected):
            raise codec.ProtocolError(f"{self.address} answered {name} by {type(answer).__name__}")
        return answer


class _ClientLink(wire.StreamLink[SessionDown, SessionUp]):
    """A supervisor's stream; closing it closes the channel, so that nothing of the old session remains."""

    def __init__(self, channel: grpc.aio.Channel, stream: Any) -> None:
        self._channel = channel
        self._stream = stream
        super().__init__(self._read_stream, self._write_stream, codec.decode_session_down)

    async def close(self) -> None:
        await super().close()
        self._stream.cancel()
        await self._channel.close()

    async def _read_stream(self) -> bytes | None:
        try:
            data = await self._stream.read()
        except Exception as error:  # gRPC has many words for it
            raise links.SessionEnded("the connection to the JobManager broke") from error
        return None if data is grpc.aio.EOF else bytes(data)

    async def _write_stream(self, data: bytes) -> None:
        try:
            await self._stream.write(data)
        except Exception as error:  # gRPC has many words for it
            raise links.SessionEnded("the connection to the JobManager broke") from error


async def connect_session(address: str, timeout: float, tls: TlsFolder | None = None) -> links.JobManagerLink:
    """Open a session's stream to the JobManager at ``address``. Raises ``Unreachable`` after ``timeout`` seconds."""
    try:
        channel = wire.dial(address, JOBMANAGER, tls)
    except errors.ConfigError as error:
        raise Unreachable(str(error)) from error
    try:
        async with asyncio.timeout(timeout):
            await channel.channel_ready()
    except TimeoutError as error:
        await channel.close()
        raise Unreachable(f"no JobManager at {address} within {timeout:g} s") from error
    stream = channel.stream_stream(f"/{wire.SERVICE}/{wire.SESSION}")()
    return _ClientLink(channel, stream)
