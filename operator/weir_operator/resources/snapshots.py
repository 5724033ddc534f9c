"""StreamJobSnapshots that the operator makes: of savepoints by nonce, by schedule, and of those that stopped a run.

They belong to the job by label and not as its property: with the job's resource gone they still tell where its savepoints
are. ``dispose`` is set, so that the files go with a resource that retention deletes.
"""

from __future__ import annotations

import json

from weir_operator.models import API_VERSION, SavepointRecord, Trigger
from weir_operator.models.stream_job_snapshot import KIND
from weir_operator.resources import labels
from weir_operator.resources.manifest import Manifest
from weir_operator.resources.subject import Subject


def of_operator(subject: Subject, name: str, trigger: Trigger, taken: SavepointRecord | None) -> Manifest:
    """One to be taken; with ``taken``: one that tells of a savepoint that is there."""
    annotations = {labels.TRIGGER: trigger.value}
    if taken is not None:
        annotations[labels.TAKEN] = json.dumps(taken.written(), sort_keys=True)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": subject.namespace,
            "labels": {labels.MANAGED_BY: labels.OPERATOR, labels.UID: subject.uid, labels.JOB: subject.name},
            "annotations": annotations,
        },
        "spec": {"job": subject.name, "dispose": True},
    }
