"""The operator in a scenario's namespace by its chart, serving that namespace alone and with the chart's rights in it alone."""

from __future__ import annotations

from tests.cluster.errors import ClusterError
from tests.cluster.providing import Cluster
from tests.e2e import crds, helm

NAME = "weir-operator"
_LABELS = {"app.kubernetes.io/name": NAME}
READY_WITHIN_S = 240
#: Scenarios look at every second of a job.
QUICK = {"poll": "1s", "env": [{"name": "WEIR_OPERATOR_PROGRESS", "value": "1s"}]}


def install(cluster: Cluster, namespace: str, image: str) -> None:
    """Returns when the operator is Ready."""
    crds.apply(cluster)
    helm.install(cluster, namespace, helm.values(namespace, image, operator=QUICK))


def serve_also(cluster: Cluster, namespace: str, other: str, image: str) -> None:
    """The operator in ``namespace`` serves another one, too, and returns when it does."""
    settings = helm.values(namespace, image, operator=QUICK)
    helm.install(cluster, namespace, {**settings, "watchNamespaces": [namespace, other]})


def restart(cluster: Cluster, namespace: str) -> None:
    """Another process of the operator, and returns when it is Ready."""
    cluster.kubectl("rollout", "restart", f"deployment/{NAME}", "-n", namespace)
    wait_ready(cluster, namespace)


def stop(cluster: Cluster, namespace: str) -> None:
    """No operator any more; returns when its pod is gone."""
    cluster.kubectl("scale", f"deployment/{NAME}", "-n", namespace, "--replicas=0")
    selector = ",".join(f"{name}={value}" for name, value in _LABELS.items())
    cluster.kubectl("wait", "--for=delete", "pod", "-n", namespace, "-l", selector, "--timeout=100s")


def start(cluster: Cluster, namespace: str) -> None:
    """The operator that was stopped, again; returns when it is Ready."""
    cluster.kubectl("scale", f"deployment/{NAME}", "-n", namespace, "--replicas=1")
    wait_ready(cluster, namespace)


def wait_ready(cluster: Cluster, namespace: str) -> None:
    """Fails with what the operator said."""
    wait = ("rollout", "status", f"deployment/{NAME}", "-n", namespace, f"--timeout={READY_WITHIN_S}s")
    try:
        cluster.kubectl(*wait, timeout=READY_WITHIN_S + 30)
    except ClusterError as error:
        said = [str(error), cluster.kubectl("describe", "pods", "-n", namespace)]
        said.append(cluster.kubectl("logs", f"deployment/{NAME}", "-n", namespace, "--tail=50"))
        raise ClusterError("\n".join(said)) from None
