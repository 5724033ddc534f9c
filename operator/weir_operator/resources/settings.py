"""What rendering needs to know of the operator itself: its image, where its pods are, and what it grants by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from weir_operator.config import Settings
from weir_operator.resources.tls import LIFETIME


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    """The operator's settings as far as they show in what it renders."""

    #: The operator's own image: jobs that name none run in it, and so do pods that only look after snapshots.
    image: str
    image_pull_policy: str | None = None  #: None: as Kubernetes chooses by the tag
    image_pull_secrets: tuple[str, ...] = ()
    #: Where the operator's pods are, for the edge operator -> JobManager of the network policies.
    operator_namespace: str = "weir-system"
    operator_labels: Mapping[str, str] = field(
        default_factory=lambda: {"app.kubernetes.io/name": "weir-operator"}
    )
    #: User and group of all job pods; None leaves them to the platform (OpenShift assigns them by namespace).
    run_as_user: int | None = 65532
    network_policies: bool = True
    #: NetworkPolicyPeers that job pods may reach; empty: everything but the cloud's metadata service.
    egress_peers: tuple[Mapping[str, Any], ...] = ()
    #: Whether gRPC between the pods of a job is mutually authenticated.
    tls: bool = False
    #: How long a run's certificates last; a run that lives longer gets others in time.
    tls_lifetime: timedelta = LIFETIME


def rendering(settings: Settings) -> RenderSettings:
    """What rendering needs of the operator's settings."""
    return RenderSettings(
        image=settings.image,
        image_pull_policy=settings.image_pull_policy,
        image_pull_secrets=settings.jobs_image_pull_secrets,
        operator_namespace=settings.own_namespace,
        operator_labels=settings.pod_labels,
        run_as_user=settings.jobs_run_as_user,
        network_policies=settings.jobs_network_policies,
        egress_peers=settings.jobs_egress,
        tls=settings.jobs_tls,
        tls_lifetime=timedelta(seconds=settings.jobs_tls_lifetime_seconds),
    )
