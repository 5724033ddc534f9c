"""NetworkPolicies as rules for nft, purely: which pods are closed, and what is let through to them and from them.

A policy closes the pods that it selects, in the directions that it names; what any policy of a closed pod lists is let through, the
rest is dropped. Replies always pass, and so does what comes from a node, as with every network plug-in (probes come from there).
Only IPv4, as the cluster has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

Body = Mapping[str, Any]
TABLE = "network_policies"
INWARDS, OUTWARDS = "Ingress", "Egress"


@dataclass(frozen=True)
class Block:
    """Addresses at the other end."""

    within: tuple[str, ...]  #: addresses, or one network
    but: tuple[str, ...] = ()

    def has(self, address: str) -> bool:
        return _within(address, self.within) and not _within(address, self.but)


@dataclass(frozen=True)
class Port:
    """A protocol and its ports; ``first`` None: all of them."""

    protocol: str
    first: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        if self.first is None:
            return f"meta l4proto {self.protocol}"
        return f"{self.protocol} dport {self.first}{f'-{self.last}' if self.last else ''}"


@dataclass(frozen=True)
class Allowed:
    """One thing that is let through."""

    direction: str
    pods: tuple[str, ...]  #: addresses of the closed pods
    others: Block | None  #: None: everybody
    port: Port | None  #: None: whatever it is

    def fits(self, own: str, other: str, protocol: str, port: int) -> bool:
        return (
            own in self.pods
            and (self.others is None or self.others.has(other))
            and (
                self.port is None
                or (
                    self.port.protocol == protocol
                    and (
                        self.port.first is None
                        or self.port.first <= port <= (self.port.last or self.port.first)
                    )
                )
            )
        )

    def __str__(self) -> str:
        own, other = ("daddr", "saddr") if self.direction == INWARDS else ("saddr", "daddr")
        parts = [f"ip {own} {_set(self.pods)}"]
        if self.others is not None:
            parts.append(f"ip {other} {_set(self.others.within)}")
            parts += [f"ip {other} != {_set(self.others.but)}"] if self.others.but else []
        parts += [str(self.port)] if self.port else []
        return " ".join([*parts, "return"])


@dataclass(frozen=True)
class Rules:
    """What holds at a moment."""

    closed: Mapping[str, tuple[str, ...]]  #: addresses of closed pods, by direction
    allowed: tuple[Allowed, ...]

    def passes(self, source: str, target: str, port: int, protocol: str = "tcp") -> bool:
        """Whether a connection is let through, as nft would judge it."""
        return all(
            own not in self.closed[direction]
            or any(
                rule.direction == direction and rule.fits(own, other, protocol, port) for rule in self.allowed
            )
            for direction, own, other in ((OUTWARDS, source, target), (INWARDS, target, source))
        )

    def text(self, nodes: str, table: str = TABLE) -> str:
        """The whole table for ``nft -f``, which takes the place of the one before in one step."""
        jumps = {
            direction: [f"ip {field} {_set(self.closed[direction])} jump {direction}"]
            if self.closed[direction]
            else []
            for direction, field in ((OUTWARDS, "saddr"), (INWARDS, "daddr"))
        }
        always = ["ct state established,related accept", f"ip saddr {nodes} accept"]
        hook = "type filter hook {} priority filter; policy accept;"
        chains = {
            direction: [*(str(rule) for rule in self.allowed if rule.direction == direction), "counter drop"]
            for direction in (OUTWARDS, INWARDS)
        }
        chains["forward"] = [hook.format("forward"), *always, *jumps[OUTWARDS], *jumps[INWARDS]]
        chains["input"] = [hook.format("input"), *always, *jumps[OUTWARDS]]
        written = "\n".join(
            f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }"
            for name, lines in chains.items()
        )
        return f"table ip {table}\ndelete table ip {table}\ntable ip {table} {{\n{written}\n}}\n"


def rules(policies: Iterable[Body], pods: Iterable[Body], namespaces: Iterable[Body]) -> Rules:
    """What the policies of a cluster say about its pods."""
    world = _World(
        [pod for pod in pods if _address(pod)],
        {n["metadata"]["name"]: n["metadata"].get("labels") or {} for n in namespaces},
    )
    closed: dict[str, set[str]] = {INWARDS: set(), OUTWARDS: set()}
    allowed: list[Allowed] = []
    for policy in policies:
        spec, namespace = policy["spec"], policy["metadata"]["namespace"]
        own = world.select(namespace, None, spec.get("podSelector") or {})
        for direction in spec.get("policyTypes") or [INWARDS, *([OUTWARDS] if "egress" in spec else [])]:
            closed[direction].update(map(_address, own))
            for rule in spec.get(direction.lower()) or () if own else ():
                allowed += world.allowed(direction, namespace, own, rule)
    return Rules({direction: _sorted(found) for direction, found in closed.items()}, tuple(allowed))


@dataclass(frozen=True)
class _World:
    pods: Sequence[Body]
    namespaces: Mapping[str, Mapping[str, str]]

    def select(self, own: str, namespaces: Body | None, pods: Body) -> list[Body]:
        """Pods by labels; of the policy's namespace, or of those with these labels."""
        return [
            pod
            for pod in self.pods
            if _fits(pods, pod["metadata"].get("labels") or {})
            and (
                pod["metadata"]["namespace"] == own
                if namespaces is None
                else _fits(namespaces, self.namespaces.get(pod["metadata"]["namespace"], {}))
            )
        ]

    def allowed(self, direction: str, own: str, pods: Sequence[Body], rule: Body) -> Iterator[Allowed]:
        peers = rule.get("from" if direction == INWARDS else "to")
        blocks = [self._block(own, peer) for peer in peers] if peers else [None]
        for addresses, port in _ports(rule.get("ports") or (), pods):
            for block in blocks:
                if block is None or block.within:
                    yield Allowed(direction, addresses, block, port)

    def _block(self, own: str, peer: Body) -> Block:
        if network := peer.get("ipBlock"):
            six = ":" in network["cidr"]
            return Block(() if six else (network["cidr"],), tuple(network.get("except") or ()))
        found = self.select(own, peer.get("namespaceSelector"), peer.get("podSelector") or {})
        return Block(_sorted(map(_address, found)))


def _ports(listed: Sequence[Body], pods: Sequence[Body]) -> Iterator[tuple[tuple[str, ...], Port | None]]:
    """Each port with the pods that have it: a name may stand for another number in each of them."""
    addresses = _sorted(map(_address, pods))
    if not listed:
        yield addresses, None
    for port in listed:
        protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
        if not isinstance(number, str):
            yield addresses, Port(protocol, number, port.get("endPort"))
            continue
        for pod in pods:
            for container in pod["spec"].get("containers", ()):
                for has in container.get("ports") or ():
                    if has.get("name") == number:
                        yield (_address(pod),), Port(protocol, has["containerPort"])


def _fits(selector: Body, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _holds(expression: Body, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _address(pod: Body) -> str:
    """Of a pod that has one of its own; an ended pod's may be another's by now."""
    status = pod.get("status") or {}
    if pod["spec"].get("hostNetwork") or status.get("phase") in {"Succeeded", "Failed"}:
        return ""
    return str(status.get("podIP") or "")


def _within(address: str, blocks: Iterable[str]) -> bool:
    networks = (ip_network(block) for block in blocks)
    return any(ip_address(address) in network for network in networks if isinstance(network, IPv4Network))


def _sorted(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(addresses)))


def _set(addresses: Sequence[str]) -> str:
    return addresses[0] if len(addresses) == 1 else f"{{ {', '.join(addresses)} }}"
