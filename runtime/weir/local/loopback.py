"""The network of workers that live in one process: frames go straight to the peer's data loop, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from weir.ids import WorkerId
from weir.rpc import messages
from weir.taskmanager.exchange.network import Endpoints, PeerLink
from weir.taskmanager.exchange.wire import FrameReader

Post = Callable[[Callable[[], None]], None]
_Call = Callable[[Endpoints], None]


@dataclass
class _Host:
    """One worker: its loop, and its endpoints once its deployment is joined."""

    post: Post
    endpoints: Endpoints | None = None
    #: What came before that.
    early: list[_Call] = field(default_factory=list)


class Loopback:
    """All workers of the process."""

    def __init__(self) -> None:
        self._hosts: dict[WorkerId, _Host] = {}

    def network(self, worker: WorkerId, post: Post) -> LoopbackNetwork:
        """Join ``worker``; ``post`` runs a call on its data loop."""
        self._hosts[worker] = _Host(post)
        return LoopbackNetwork(self, worker)

    def deliver(self, worker: WorkerId, call: _Call) -> None:
        """Run ``call`` with the worker's endpoints, on its loop, as soon as it has any."""
        host = self._hosts[worker]
        if host.endpoints is None:
            host.early.append(call)
        else:
            endpoints = host.endpoints
            host.post(lambda: call(endpoints))

    def opened(self, worker: WorkerId, endpoints: Endpoints) -> None:
        """The worker's deployment is joined."""
        host = self._hosts[worker]
        host.endpoints = endpoints
        early, host.early = host.early, []
        for call in early:
            self.deliver(worker, call)


class LoopbackNetwork:
    """One worker's view; a ``Network``."""

    def __init__(self, loopback: Loopback, worker: WorkerId) -> None:
        self._loopback = loopback
        self._worker = worker
        self._links: dict[WorkerId, PeerLink] = {}

    def connect(self, _execution: messages.Execution, peer: WorkerId, _address: str) -> PeerLink:
        link = self._links.get(peer)
        if link is None:
            link = self._links[peer] = _Link(self._loopback, peer, downstream=True)
            back = _Link(self._loopback, self._worker, downstream=False)
            sender = self._worker
            self._loopback.deliver(peer, lambda endpoints: endpoints.sender_connected(sender, back))
        return link

    def open(self, _execution: messages.Execution, endpoints: Endpoints) -> None:
        self._loopback.opened(self._worker, endpoints)

    def flush(self) -> None:
        """Frames leave at once."""


class _Link:
    """Frames to one worker, down or up the stream."""

    def __init__(self, loopback: Loopback, target: WorkerId, *, downstream: bool) -> None:
        self._loopback = loopback
        self._target = target
        self._downstream = downstream
        self._reader = FrameReader()

    def send(self, frames: list[bytes]) -> None:
        found = [item for frame in frames for item in self._reader.read(frame)]

        def hand_over(endpoints: Endpoints) -> None:
            handler = endpoints.from_sender if self._downstream else endpoints.from_receiver
            for number, kind, payload in found:
                handler(number, kind, payload)

        self._loopback.deliver(self._target, hand_over)
