"""A port of the cluster's inside, on loopback: what ``kubectl port-forward`` gives, with every provider."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.errors import ClusterError
from tests.cluster.providing import Cluster


@contextmanager
def forwarded(cluster: Cluster, namespace: str, target: str, port: int) -> Iterator[str]:
    """``HOST:PORT`` for processes in the cluster's network (``provider.enter``), until the block ends."""
    forward = subprocess.Popen(
        cluster.command("port-forward", "-n", namespace, target, f":{port}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert forward.stdout
        said = forward.stdout.readline()  # Forwarding from 127.0.0.1:PORT -> 9000
        if not said.startswith("Forwarding from 127.0.0.1:"):
            raise ClusterError(
                f"port {port} of {target} in {namespace} could not be forwarded: {said.strip()}"
            )
        # It says a line for each connection, and would stand still with nobody to read them.
        reader = threading.Thread(target=forward.stdout.read, daemon=True, name="forward")
        reader.start()
        yield said.split()[2]
        forward.terminate()
        reader.join(30)
    finally:
        forward.terminate()
        forward.wait(30)
        if forward.stdout:
            forward.stdout.close()
