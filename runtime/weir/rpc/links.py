"""The two ends of a session as everybody but ``server`` and ``client`` sees them, and an in-memory pair.

Sending never waits: messages keep their order, and what is sent into an ended session is dropped, since the
session's end is what the other side learns then. Only receiving tells that a session ended.
"""

from __future__ import annotations

import asyncio
from typing import Generic, Protocol, TypeVar

from weir.errors import WeirError
from weir.rpc.messages import SessionDown, SessionUp

_In_co = TypeVar("_In_co", covariant=True)
_Out_contra = TypeVar("_Out_contra", contravariant=True)
_A = TypeVar("_A")
_B = TypeVar("_B")


class SessionEnded(WeirError):
    """The other side of a session is gone, or this side closed it."""


class Link(Protocol[_In_co, _Out_contra]):
    """One end of a session."""

    def send_nowait(self, message: _Out_contra) -> None:
        """Queue ``message``; dropped if the session has ended."""
        ...

    async def receive(self) -> _In_co:
        """The next message. Raises ``SessionEnded``, again and again once it has ended."""
        ...

    async def close(self) -> None:
        """End the session after what was sent has left, within a second."""
        ...


#: The JobManager's end of a session.
TaskManagerLink = Link[SessionUp, SessionDown]
#: The supervisor's end of a session.
JobManagerLink = Link[SessionDown, SessionUp]


class MemoryLink(Generic[_A, _B]):
    """One end of a session inside a process, for tests and simulations; made by :func:`memory_links`."""

    def __init__(self, incoming: asyncio.Queue[_A | None], outgoing: asyncio.Queue[_B | None]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._ended = False

    def send_nowait(self, message: _B) -> None:
        if not self._ended:
            self._outgoing.put_nowait(message)

    async def receive(self) -> _A:
        message = None if self._ended else await self._incoming.get()
        if message is None:
            self._ended = True
            raise SessionEnded("the session ended")
        return message

    async def close(self) -> None:
        if not self._ended:
            self._ended = True
            self._outgoing.put_nowait(None)
            self._incoming.put_nowait(None)


def memory_links() -> tuple[MemoryLink[SessionUp, SessionDown], MemoryLink[SessionDown, SessionUp]]:
    """Both ends of a new session: the JobManager's, the supervisor's."""
    up: asyncio.Queue[SessionUp | None] = asyncio.Queue()
    down: asyncio.Queue[SessionDown | None] = asyncio.Queue()
    return MemoryLink(up, down), MemoryLink(down, up)
