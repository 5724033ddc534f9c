"""Where the API server is and who we are to it: the pod's service account, else the kubeconfig.

Only outside a cluster, for development and tests, is a kubeconfig read.
"""

from __future__ import annotations

import os

from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration


def in_cluster() -> bool:
    """Whether this process runs in a pod that has a service account."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and not os.environ.get("KUBECONFIG")


async def connect(connections: int = 64) -> ApiClient:
    """A client of the API server; it opens connections as they are needed."""
    configuration = Configuration(connection_pool_maxsize=connections)
    if in_cluster():
        from kubernetes.aio.config.incluster_config import load_incluster_config

        load_incluster_config(configuration)
    else:
        from kubernetes.aio.config.kube_config import load_kube_config

        await load_kube_config(client_configuration=configuration)
    return ApiClient(configuration)
