"""Connections between simulated processes: ordered, delayed, cut, or silent for a while.

``Pipe`` is one direction. ``SessionEnd`` makes a supervisor's session of two of them; ``data_plane`` the streams between
workers. A killed process resets its connections; one that is frozen or cut off is only silent.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from weir.rpc.links import SessionEnded
from weir.testing.simulation.virtual_time import Process
from weir.testing.simulation.weather import Weather

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Pipe:
    """One direction: what is put in arrives in the target process, in order."""

    def __init__(self, target: Process, weather: Weather, chance: random.Random) -> None:
        self._target = target
        self._weather = weather
        self._chance = chance
        self._last = 0.0
        self._silent_until = 0.0

    def put(self, arrive: Callable[..., None], *arguments: Any) -> None:
        """Call ``arrive`` in the target process when it is there."""
        now = self._target.loop.time()
        at = max(now + self._weather.of_message(self._chance), self._last, self._silent_until)
        self._last = at
        self._target.call_at(at, arrive, *arguments)

    def be_silent(self, seconds: float) -> None:
        """Nothing gets through for a while; it comes later, as after lost packets."""
        self._silent_until = self._target.loop.time() + seconds


class SessionEnd(Generic[_In, _Out]):
    """One end of a session, a ``rpc.links.Link``. ``encode`` and ``decode`` are those of the wire."""

    def __init__(
        self, process: Process, encode: Callable[[_Out], bytes], decode: Callable[[bytes], _In]
    ) -> None:
        self.process = process
        self.peer: SessionEnd[_Out, _In] | None = None
        self.pipe: Pipe | None = None
        self._encode = encode
        self._decode = decode
        self._messages: deque[bytes | None] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._ended = False

    def send_nowait(self, message: _Out) -> None:
        if not self._ended:
            self._put(self._encode(message))

    async def receive(self) -> _In:
        while not self._ended and not self._messages:
            self._waiting = self.process.loop.create_future()
            await self._waiting
        data = None if self._ended else self._messages.popleft()
        if data is None:
            self._ended = True
            raise SessionEnded("the session ended")
        return self._decode(data)

    async def close(self) -> None:
        if not self._ended:
            self._put(None)
            self.end()

    def end(self) -> None:
        """Nothing is received any more."""
        self._ended = True
        self._wake()

    def reset(self) -> None:
        """This process died, and its machine says so to the other side."""
        self._put(None)

    def _put(self, data: bytes | None) -> None:
        assert self.pipe is not None
        assert self.peer is not None
        self.pipe.put(self.peer.arrived, data)

    def arrived(self, data: bytes | None) -> None:
        """From the other end; ``None``: it is closed."""
        self._messages.append(data)
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Session:
    """Both ends of a supervisor's session."""

    def __init__(
        self,
        jobmanager: SessionEnd[Any, Any],
        supervisor: SessionEnd[Any, Any],
        weather: Weather,
        chance: random.Random,
    ) -> None:
        self.ends = (jobmanager, supervisor)
        jobmanager.peer, supervisor.peer = supervisor, jobmanager
        jobmanager.pipe = Pipe(supervisor.process, weather, chance)
        supervisor.pipe = Pipe(jobmanager.process, weather, chance)
        self.closed = False

    def cut(self) -> None:
        """The connection breaks; both sides notice."""
        if not self.closed:
            self.closed = True
            for end in self.ends:
                end.process.call_soon(end.arrived, None)

    def be_silent(self, seconds: float) -> None:
        """Neither side hears the other for a while."""
        for end in self.ends:
            assert end.pipe is not None
            end.pipe.be_silent(seconds)

    def died(self, process: Process) -> None:
        """One of the processes was killed, and the other side learns it."""
        if not self.closed:
            self.closed = True
            for end in self.ends:
                if end.process is process:
                    end.reset()
