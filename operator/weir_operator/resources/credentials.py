"""Secrets of a run. They are created once and never read, patched or listed: who may do neither cannot leak others'.

A Secret that exists already is as it should be, since its content follows from its name (the token) or is random
material of which any will do (certificates); so a refused creation (409) of an object is the end of the matter.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from weir_operator.observed import Component
from weir_operator.resources import labels, names, tls
from weir_operator.resources.manifest import Manifest, manifest
from weir_operator.resources.subject import Subject

REST_TOKEN = "rest-token"  # noqa: S105 - a key's name
AUTHORITY = "ca.crt"
NOT_BEFORE = "not-before"  #: when this slot's certificates are to be presented, ISO 8601


def token(subject: Subject, run: int, rest_token: str) -> Manifest:
    """The Secret ``<job>-<run>`` with the bearer token of the run's JobManager.

    Not immutable: the kubelet never looks again at one that is, and while a pod of a deleted job ends, a pod of the next job of that name would
    get the token of the first.
    """
    return _secret(subject, run, names.run(subject.name, run), {REST_TOKEN: rest_token})


def certificates(
    subject: Subject, run: int, slot: str, not_before: datetime, lifetime: timedelta = tls.LIFETIME
) -> Manifest:
    """A slot of certificates, of a new authority: see ``tls``. Each call makes other ones.

    Not immutable either: the kubelet would never look again at a slot that is deleted and issued anew.
    """
    issued = tls.issue(identity(subject, run), not_before, lifetime)
    content = {AUTHORITY: issued.authority, NOT_BEFORE: not_before.astimezone(UTC).isoformat()}
    for component in issued.certificates:
        content[certificate_key(component)] = issued.certificates[component]
        content[private_key(component)] = issued.keys[component]
    return _secret(subject, run, names.certificates(subject.name, run, slot), content)


def identity(subject: Subject, run: int) -> dict[Component, tuple[str, ...]]:
    """The names by which the pods of a run know each other. Pods have no DNS names, so the role is a name too."""
    service = names.jobmanager(subject.name, run)
    job = names.job_id(subject.uid)
    return {
        Component.JOBMANAGER: (
            Component.JOBMANAGER.value,
            f"{Component.JOBMANAGER.value}.{job}",
            service,
            f"{service}.{subject.namespace}",
            f"{service}.{subject.namespace}.svc",
        ),
        Component.TASKMANAGER: (Component.TASKMANAGER.value, f"{Component.TASKMANAGER.value}.{job}"),
    }


def certificate_key(component: Component) -> str:
    """The key of a component's certificate chain in the Secret; pods see it as ``tls.crt``."""
    return f"{component.value}.crt"


def private_key(component: Component) -> str:
    """The key of a component's private key in the Secret; pods see it as ``tls.key``."""
    return f"{component.value}.key"


def _secret(subject: Subject, run: int, name: str, content: dict[str, str]) -> Manifest:
    return manifest(
        subject,
        "v1",
        "Secret",
        name,
        labels=labels.of_run(subject.name, run),
        type="Opaque",
        data={key: base64.b64encode(text.encode()).decode() for key, text in sorted(content.items())},
    )
