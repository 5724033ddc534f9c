"""All objects of a run, in the order in which they are to be applied, and those that are shared by all runs."""

from __future__ import annotations

from datetime import datetime

from weir_operator.observed import StartDirective
from weir_operator.resources import credentials, disruption, documents, network, services, tls, workloads
from weir_operator.resources.manifest import Manifest
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject


def secrets(
    subject: Subject,
    settings: RenderSettings,
    run: int,
    rest_token: str,
    now: datetime,
    *,
    with_certificates: bool = True,
) -> tuple[Manifest, ...]:
    """What is only ever created (POST), before the rest; a Secret that exists already (409) is good as it is.

    Without certificates: the run is there already, and its slots are seen to by rotation alone.
    """
    made = [credentials.token(subject, run, rest_token)]
    if settings.tls and with_certificates:
        made.append(credentials.certificates(subject, run, tls.SLOTS[0], now, settings.tls_lifetime))
    return tuple(made)


def objects(
    subject: Subject,
    settings: RenderSettings,
    *,
    revision: int,
    start: StartDirective,
    standby: bool,
    task_managers: int,
    parallelism: int,
) -> tuple[Manifest, ...]:
    """What is applied: the run's files, then the Service that TaskManagers look for, then the pods.

    ``standby`` is among the JobManager's arguments, so it must stay what it was for as long as the run lives.
    """
    run = start.run
    return (
        documents.config_map(subject, run, start, parallelism),
        services.jobmanager(subject, run),
        workloads.jobmanager(subject, settings, run, revision, standby=standby),
        workloads.taskmanager(subject, settings, run, revision, replicas=task_managers),
    )


def shared(subject: Subject, settings: RenderSettings) -> tuple[Manifest, ...]:
    """Policies and budgets of all runs; the stable Service is apart, since it moves last (``services.rest``)."""
    return (*network.policies(subject, settings), *disruption.budgets(subject))
