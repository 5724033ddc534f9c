"""Services of a job: one of each run for its TaskManagers to find the JobManager, and one that follows the live run."""

from __future__ import annotations

from weir_operator.observed import Component
from weir_operator.resources import labels, names, places
from weir_operator.resources.manifest import Manifest, manifest
from weir_operator.resources.subject import Subject

_REST = {"name": "rest", "port": places.REST, "targetPort": "rest", "protocol": "TCP"}


def jobmanager(subject: Subject, run: int) -> Manifest:
    """The headless Service of a run: it gives the pod's own address, also before the pod is ready to answer users."""
    return manifest(
        subject,
        "v1",
        "Service",
        names.jobmanager(subject.name, run),
        labels=labels.of_component(subject.name, run, Component.JOBMANAGER),
        spec={
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": labels.selector(subject.name, run, Component.JOBMANAGER),
            "ports": [{"name": "rpc", "port": places.RPC, "targetPort": "rpc", "protocol": "TCP"}, _REST],
        },
    )


def rest(subject: Subject, run: int) -> Manifest:
    """The stable Service ``<job>-rest``: it moves to another run by being applied with that run."""
    return manifest(
        subject,
        "v1",
        "Service",
        names.rest(subject.name),
        labels=labels.of_job(subject.name),
        spec={
            "type": "ClusterIP",
            "selector": labels.selector(subject.name, run, Component.JOBMANAGER),
            "ports": [_REST],
        },
    )
