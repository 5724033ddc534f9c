"""The NetworkPolicies of a namespace, enforced in a native cluster while pods and policies come and go (R43).

What a network plug-in does in other clusters: whenever a pod, a policy or a namespace changes, each node gets the rules that follow from it
(``policies``), in one step. A pod's address is known a moment after the pod has it, as with any plug-in; who knocks meanwhile knocks again.
Each namespace has a table of its own, so that several can be enforced at one time.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from tests.cluster import policies, settings
from tests.cluster.errors import ClusterError
from tests.cluster.native import NativeCluster
from tests.cluster.node import Node, wait_until
from tests.cluster.providing import Cluster
from tests.cluster.watching import Watch

APPLIED_WITHIN_S = 120.0


class Enforcing:
    """The policies of ``namespace`` hold within ``with``; peers are looked for in all namespaces."""

    def __init__(self, cluster: Cluster, provider: NativeCluster, namespace: str) -> None:
        self._provider = provider
        self._table = f"{policies.TABLE}_{namespace}"
        self._changed = threading.Event()
        self._closed = False
        self._failure: ClusterError | None = None
        self._text = ""
        self._rules = policies.rules((), (), ())
        self._policies = Watch(cluster, "networkpolicies", namespace, self._changed.set)
        self._pods = Watch(cluster, "pods", None, self._changed.set)
        self._namespaces = Watch(cluster, "namespaces", None, self._changed.set)
        self._thread = threading.Thread(target=self._follow, name=f"policies-{namespace}", daemon=True)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for watch in (self._policies, self._pods, self._namespaces):
            self._stack.enter_context(watch)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed = True
        self._changed.set()
        self._thread.join(60)
        self._stack.close()
        self._tell(f"table ip {self._table}\ndelete table ip {self._table}\n")
        if self._failure is not None:
            raise self._failure

    def wait(self, good: Callable[[policies.Rules], bool], what: str) -> None:
        """Until the rules that hold are good.

        Raises:
            ClusterError: they are not in time, or could not be applied.
        """

        def holds() -> bool:
            if self._failure is not None:
                raise self._failure
            return good(self._rules)

        wait_until(holds, APPLIED_WITHIN_S, f"the network policies do not say in time that {what}")

    def _follow(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            if self._closed:
                return
            watches = (self._policies, self._pods, self._namespaces)
            rules = policies.rules(*(list(watch.now.values()) for watch in watches))
            text = rules.text(settings.NODES, self._table)
            try:
                if text != self._text:
                    self._tell(text)
            except ClusterError as error:
                self._failure = error
                return
            self._text, self._rules = text, rules

    def _tell(self, text: str) -> None:
        """To the kernel, in the network of each node; one that is lost meanwhile has no rules any more."""
        for node in self._provider.nodes():
            try:
                if node.lives:
                    _tell_node(node, text)
            except ClusterError:
                if node.lives:
                    raise


def _tell_node(node: Node, text: str) -> None:
    nft = node.entered(["nft", "-f", "-"])
    done = subprocess.run(nft, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"nft in {node.name} failed: {done.stderr.strip()}; it was told:\n{text}")
