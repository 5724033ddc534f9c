"""The rules of NetworkPolicies in a kernel: pods as network namespaces, real connections, and nft between them (R43)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

import pytest

from tests.cluster import policies
from tests.support.namespaces import Namespace
from tests.support.network_world import JOB, NAMESPACES, PODS, PORTS, SOURCES, TARGETS, listed
from tests.support.stream_jobs import SETTINGS
from weir_operator.resources import network

NODE, NODES = "10.0.1.1", "10.0.1.0/24"
LISTEN = """
import socket, sys, time
held = [socket.create_server(('0.0.0.0', int(port))) for port in sys.argv[1:]]
print('listening', flush=True)
sys.stdin.read()
"""
#: Asks all at once, since what is dropped is answered by nobody.
KNOCK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def knock(address):
    host, port = address.rsplit(':', 1)
    try:
        socket.create_connection((host, int(port)), timeout=4).close()
    except TimeoutError:
        return 'dropped'
    return 'open'
with ThreadPoolExecutor(16) as pool:
    print(json.dumps(dict(zip(sys.argv[1:], pool.map(knock, sys.argv[1:])))))
"""


def knock(namespace: Namespace) -> Mapping[str, str]:
    """What comes of a connection from there to each port of both targets."""
    addresses = [f"{address}:{port}" for address, port in product(TARGETS.values(), PORTS)]
    found: Mapping[str, str] = json.loads(namespace.run(sys.executable, "-c", KNOCK, *addresses))
    return found


@contextmanager
def pods() -> Iterator[tuple[Namespace, dict[str, Namespace]]]:
    """A node, and the pods by their addresses; both targets listen."""
    with ExitStack() as stack:
        node = Namespace(stack)
        node.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        node.run("ip", "address", "add", f"{NODE}/32", "dev", "lo")
        found = {}
        for pod in PODS:
            address = pod["status"]["podIP"]
            found[address] = inside = Namespace(stack)
            link = pod["metadata"]["name"]
            node.run(*f"ip link add {link} type veth peer name eth0 netns {inside.pid}".split())
            node.run("ip", "link", "set", link, "up")
            node.run("ip", "route", "add", address, "dev", link, "src", NODE)
            inside.run("ip", "address", "add", f"{address}/32", "dev", "eth0")
            inside.run("ip", "link", "set", "eth0", "up")
            inside.run("ip", "route", "add", NODE, "dev", "eth0", "scope", "link")
            inside.run("ip", "route", "add", "default", "via", NODE)
        for address in TARGETS.values():
            command = found[address].entered(sys.executable, "-c", LISTEN, *map(str, PORTS))
            server = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(server.kill)
            assert server.stdout
            assert server.stdout.readline() == "listening\n"
        yield node, found


def test_a_kernel_lets_through_what_the_edge_table_lists_and_drops_all_else() -> None:
    if not Path("/proc/self/ns/net").exists() or os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("needs Linux, root and nft")
    with pods() as (node, inside):
        before = knock(inside["10.0.0.7"])
        assert set(before.values()) == {"open"}, "without rules all is open"
        rules = policies.rules(network.policies(JOB, SETTINGS), PODS, NAMESPACES)
        for _ in range(2):  # the second time in place of the first
            node.run("nft", "-f", "-", text=rules.text(NODES))
        for who, (source, peer) in SOURCES.items():
            wanted = {
                f"{address}:{port}": "open" if listed(peer, target, port) or source == address else "dropped"
                for (target, address), port in product(TARGETS.items(), PORTS)
            }
            assert knock(inside[source]) == wanted, who
        assert set(knock(node).values()) == {"open"}, "probes come from the node"
