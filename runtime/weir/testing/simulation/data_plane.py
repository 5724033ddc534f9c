"""Streams between simulated workers, with the rules of ``taskmanager.dataplane``: one stream a (sender, receiver) pair.

Frames travel as bytes and are cut by the real ``FrameReader``; what comes before the receiver's deployment is joined
waits for it; the sender's side alone reports that a stream broke.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from weir.ids import WorkerId
from weir.rpc import messages
from weir.taskmanager.exchange.network import Endpoints, PeerLink
from weir.taskmanager.exchange.wire import FrameReader
from weir.taskmanager.worker import LOST_PEER_GRACE
from weir.testing.simulation.connections import Pipe
from weir.testing.simulation.virtual_time import Process
from weir.testing.simulation.weather import Weather

#: Seconds until a sender notices that its receiver is not there any more.
_NOTICE: Final = 0.05

Post = Callable[[Callable[[], None]], None]
_Call = Callable[[Endpoints], None]


class Host:
    """One worker on the data plane; a ``Network``."""

    def __init__(
        self, plane: DataPlanes, worker: WorkerId, address: str, process: Process, post: Post
    ) -> None:
        self.worker = worker
        self.address = address
        self.process = process
        self.lost: Callable[[messages.Execution, str], None] = lambda *_: None
        self._plane = plane
        self._post = post
        self._endpoints: dict[messages.Execution, Endpoints] = {}
        self._early: dict[messages.Execution, list[_Call]] = {}
        self._links: dict[WorkerId, PeerLink] = {}

    def connect(self, execution: messages.Execution, peer: WorkerId, address: str) -> PeerLink:
        link = self._links.get(peer)
        if link is None:
            stream = self._plane.open_stream(self, execution, peer, address)
            link = self._links[peer] = stream.forward
        return link

    def open(self, execution: messages.Execution, endpoints: Endpoints) -> None:
        self._endpoints[execution] = endpoints
        for call in self._early.pop(execution, ()):
            self.deliver(execution, call)

    def flush(self) -> None:
        """Frames leave at once."""

    def deliver(self, execution: messages.Execution, call: _Call) -> None:
        """Run ``call`` on the data thread, as soon as the deployment is joined."""
        endpoints = self._endpoints.get(execution)
        if endpoints is None:
            self._early.setdefault(execution, []).append(call)
        else:
            self._post(lambda: call(endpoints))

    def report_lost(self, execution: messages.Execution, message: str) -> None:
        """A stream to another worker broke; the peer's own end is the better explanation, so it comes later."""
        self.process.call_later(LOST_PEER_GRACE, self.lost, execution, message)


class _Side:
    """One direction of a stream; a ``PeerLink``."""

    def __init__(self, stream: Stream, target: Host, pipe: Pipe, *, downstream: bool) -> None:
        self._stream = stream
        self._target = target
        self.pipe = pipe
        self._downstream = downstream
        self._reader = FrameReader()

    def send(self, frames: list[bytes]) -> None:
        self.pipe.put(self._arrived, b"".join(frames))

    def _arrived(self, message: bytes) -> None:
        if self._stream.broken:
            return
        found = list(self._reader.read(message))

        def hand_over(endpoints: Endpoints) -> None:
            handler = endpoints.from_sender if self._downstream else endpoints.from_receiver
            for number, kind, payload in found:
                handler(number, kind, payload)

        self._target.deliver(self._stream.execution, hand_over)


class Stream:
    """What one worker sends to another, and what comes back."""

    def __init__(
        self,
        execution: messages.Execution,
        sender: Host,
        receiver: Host,
        weather: Weather,
        chance: random.Random,
    ) -> None:
        self.execution = execution
        self.sender = sender
        self.receiver = receiver
        self.broken = False
        self.forward = _Side(self, receiver, Pipe(receiver.process, weather, chance), downstream=True)
        self._back = _Side(self, sender, Pipe(sender.process, weather, chance), downstream=False)
        self.forward.pipe.put(self._opened)

    def _opened(self) -> None:
        if not self.broken:
            self.receiver.deliver(
                self.execution,
                lambda endpoints: endpoints.sender_connected(self.sender.worker, self._back),
            )

    def break_off(self, why: str) -> None:
        """Nothing arrives any more; the sender notices."""
        if not self.broken:
            self.broken = True
            message = (
                f"data connection to worker {self.receiver.worker} at {self.receiver.address} broke: {why}"
            )
            self.sender.process.call_later(_NOTICE, self.sender.report_lost, self.execution, message)

    def be_silent(self, seconds: float) -> None:
        """Frames come later."""
        for side in (self.forward, self._back):
            side.pipe.be_silent(seconds)


class _Nowhere:
    """A link to a worker that is gone."""

    def send(self, frames: list[bytes]) -> None:
        """Lost."""


class _BrokenStream:
    forward = _Nowhere()


class DataPlanes:
    """All workers that listen, by address."""

    def __init__(self, weather: Weather, chance: random.Random) -> None:
        self._weather = weather
        self._chance = chance
        self._hosts: dict[str, Host] = {}
        #: In the order in which they were opened.
        self.streams: list[Stream] = []

    def listen(self, worker: WorkerId, address: str, process: Process, post: Post) -> Host:
        """A worker's side; gone with its process."""
        host = Host(self, worker, address, process, post)
        self._hosts[address] = host
        process.on_death.append(lambda: self._died(host))
        return host

    def open_stream(
        self, sender: Host, execution: messages.Execution, peer: WorkerId, address: str
    ) -> Stream | _BrokenStream:
        """From ``sender`` to whoever listens at ``address``."""
        receiver = self._hosts.get(address)
        if receiver is None:
            message = f"data connection to worker {peer} at {address} broke: nobody listens"
            sender.process.call_later(_NOTICE, sender.report_lost, execution, message)
            return _BrokenStream()
        stream = Stream(execution, sender, receiver, self._weather, self._chance)
        self.streams.append(stream)
        return stream

    def _died(self, host: Host) -> None:
        del self._hosts[host.address]
        for stream in self.streams:
            if host in (stream.sender, stream.receiver):
                stream.break_off("the peer is gone")
        self.streams = [stream for stream in self.streams if not stream.broken]
