"""What a deployment needs of the network, and how its channels are numbered. The gRPC data plane implements it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from weir.graph.physical import PhysicalPlan
from weir.ids import WorkerId
from weir.rpc import messages
from weir.taskmanager.exchange import wire
from weir.taskmanager.exchange.channels import InputChannel, RemoteChannel
from weir.taskmanager.exchange.credit_windows import WindowRange, adapted


class ChannelNumbers:
    """One number per (edge, source subtask, target subtask), the same in every worker."""

    def __init__(self, plan: PhysicalPlan) -> None:
        self._bases: list[tuple[int, int]] = []
        base = 0
        for edge in plan.edges:
            sources = plan.vertex(edge.source).parallelism
            targets = plan.vertex(edge.target).parallelism
            self._bases.append((base, targets))
            base += sources * targets

    def number(self, edge_position: int, source: int, target: int) -> int:
        """``edge_position``: position in the plan's list of edges."""
        base, targets = self._bases[edge_position]
        return base + source * targets + target


class PeerLink(Protocol):
    """Frames to one other worker, in order."""

    def send(self, frames: list[bytes]) -> None:
        """Queue frames; never blocks. They leave with the network's next ``flush`` at the latest."""
        ...


class Network(Protocol):
    """Links between workers of one deployment."""

    def connect(self, execution: messages.Execution, peer: WorkerId, address: str) -> PeerLink:
        """A link on which our senders reach ``peer``; what comes back goes to ``Endpoints.from_receiver``."""
        ...

    def open(self, execution: messages.Execution, endpoints: Endpoints) -> None:
        """From now on frames of this execution are delivered (also those that came early)."""
        ...

    def flush(self) -> None:
        """Let everything leave that was handed to the links."""
        ...


class RemoteUpstream:
    """The way back of one channel from another worker; credit is gathered until ``flush``, where the window adapts."""

    __slots__ = (
        "_channel",
        "_charged",
        "_dirty",
        "_flushed_at",
        "_number",
        "_pending",
        "_requested",
        "_within",
        "link",
    )

    def __init__(
        self, number: int, dirty: list[RemoteUpstream], channel: InputChannel, within: WindowRange
    ) -> None:
        self._number = number
        self._channel = channel
        self._within = within
        self._pending = 0
        self._flushed_at = 0.0
        #: Of the window that will be granted.
        self._charged = 0
        self._dirty = dirty
        #: Splits were asked for before the enumerator's stream was there.
        self._requested = False
        self.link: PeerLink | None = None

    def connected(self, link: PeerLink) -> None:
        """The sender is there: grant it the window, and what was gathered."""
        self.link = link
        window = self._channel.window
        link.send([wire.credit_frame(self._number, window - self._charged + self._pending, window)])
        self._pending = 0
        if self._requested:
            self._requested = False
            self.request_splits()

    def charge(self, amount: int) -> None:
        """Before the sender is there."""
        self._charged += amount

    def give_back(self, amount: int) -> None:
        if not self._pending:
            self._dirty.append(self)
        self._pending += amount

    def request_splits(self) -> None:
        if self.link is None:
            self._requested = True
        else:
            self.link.send([wire.request_frame(self._number)])

    def flush(self, now: float) -> None:
        """Send the gathered credit, more where the window grows and less where it shrinks. ``now``: monotonic seconds."""
        if self.link is None or not self._pending:
            return
        channel, pending = self._channel, self._pending
        window = adapted(channel.window, pending, now - self._flushed_at, self._within)
        # What is queued or under way is not taken back: a window shrinks by what would be given back.
        window = max(window, channel.window - pending)
        self.link.send([wire.credit_frame(self._number, pending + window - channel.window, window)])
        channel.window = window
        self._pending = 0
        self._flushed_at = now


class Endpoints:
    """All remote channel ends of one deployment in this worker. Used on the data thread only."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """``now``: monotonic seconds."""
        self._now = now
        self.inputs: dict[int, InputChannel] = {}
        self.upstreams: dict[WorkerId, list[RemoteUpstream]] = {}
        self.outputs: dict[int, RemoteChannel] = {}
        self._dirty: list[RemoteUpstream] = []

    def add_input(
        self, number: int, channel: InputChannel, sender: WorkerId, within: WindowRange | None = None
    ) -> None:
        """A channel whose sender is in another worker. ``within``: what its window may become, by default what it is."""
        within = within or WindowRange(channel.window, channel.window)
        upstream = RemoteUpstream(number, self._dirty, channel, within)
        channel.upstream = upstream
        self.inputs[number] = channel
        self.upstreams.setdefault(sender, []).append(upstream)

    def sender_connected(self, sender: WorkerId, link: PeerLink) -> None:
        """A sending worker opened its stream."""
        for upstream in self.upstreams.get(sender, ()):
            upstream.connected(link)

    def from_sender(self, number: int, kind: int, payload: bytes) -> None:
        """A frame that goes downstream."""
        cost = len(payload) if kind in wire.CARRY_ROWS else 0
        self.inputs[number].put(kind, payload, cost)

    def from_receiver(self, number: int, kind: int, payload: bytes) -> None:
        """A frame that goes upstream."""
        channel = self.outputs[number]
        if kind == wire.Kind.CREDIT:
            channel.on_credit(*wire.decode_credit(payload))
        elif channel.on_split_request is not None:
            channel.on_split_request()

    def flush(self) -> None:
        """Send back the credit of this round."""
        if self._dirty:
            now = self._now()
            for upstream in self._dirty:
                upstream.flush(now)
            self._dirty.clear()
