"""The kinds of objects that the operator touches, and where the API server keeps them.

Dicts go over the wire as they are; this table is all that is needed of the API's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind, in the version that we speak."""

    api_version: str
    name: str
    plural: str

    @property
    def group(self) -> str:
        """Empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Without the group."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Where the API server keeps it; without a namespace: of all namespaces."""
        parts = ["apis" if self.group else "api", self.api_version]
        parts += ["namespaces", quote(namespace, safe="")] if namespace else []
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/" + "/".join(parts)


STREAM_JOB = Kind("weir.dev/v1alpha1", "StreamJob", "streamjobs")
STREAM_JOB_SNAPSHOT = Kind("weir.dev/v1alpha1", "StreamJobSnapshot", "streamjobsnapshots")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SECRET = Kind("v1", "Secret", "secrets")
NAMESPACE = Kind("v1", "Namespace", "namespaces")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENT = Kind("events.k8s.io/v1", "Event", "events")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        STREAM_JOB,
        STREAM_JOB_SNAPSHOT,
        POD,
        SERVICE,
        CONFIG_MAP,
        SECRET,
        NAMESPACE,
        DEPLOYMENT,
        CONTROLLER_REVISION,
        DISRUPTION_BUDGET,
        NETWORK_POLICY,
        LEASE,
        EVENT,
    )
}


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of a manifest; a KeyError is a manifest that the operator has no business with."""
    return KINDS[manifest["kind"]]
