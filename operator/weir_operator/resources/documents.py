"""What the engine reads: the StreamJob document, and the start directive of a run."""

from __future__ import annotations

import json
from typing import Any

from weir_operator.models import OnCancel
from weir_operator.models.stream_job import API_VERSION, KIND
from weir_operator.observed import StartDirective
from weir_operator.resources import labels, names, places
from weir_operator.resources.manifest import Manifest, manifest
from weir_operator.resources.subject import Subject

_LOCAL_STATE = "state.backend.rocksdb.localdir"
_RETENTION = "execution.checkpointing.externalized-checkpoint-retention"


def document(subject: Subject, parallelism: int | None = None) -> str:
    """``job.yaml``: what the user wrote, no defaults filled in, so that "set" and "not set" stay different.

    Defaults that differ in a cluster, that of ``onCancel`` and where RocksDB's files lie (in ``localStorage``, not among temporary files), are settings
    of the lowest layer: code may say otherwise.
    It is JSON, which is YAML; ``pod`` and ``resources`` stay out, as the engine has no use for them.
    """
    spec: dict[str, Any] = subject.spec.written()
    ours = {_RETENTION: OnCancel.RETAIN.value, _LOCAL_STATE: places.STATE_FOLDER}
    spec["config"] = ours | spec.get("config", {})
    if parallelism is not None:
        spec["job"] = spec["job"] | {"parallelism": parallelism}
    for part in ("jobManager", "taskManager"):
        kept = {key: value for key, value in spec.get(part, {}).items() if key not in {"pod", "resources"}}
        spec = {key: value for key, value in spec.items() if key != part} | ({part: kept} if kept else {})
    resource = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": subject.name, "namespace": subject.namespace, "uid": subject.uid},
        "spec": spec,
    }
    return json.dumps(resource, indent=1, sort_keys=True) + "\n"


def directive(start: StartDirective) -> str:
    """``start.json``."""
    written = {
        "run": start.run,
        "mode": start.mode.value,
        "path": start.path,
        "expectedTail": start.expected_tail,
        "allowNonRestoredState": start.allow_non_restored_state,
        "restorePolicy": start.restore_policy,
    }
    return json.dumps(written, indent=1) + "\n"


def config_map(subject: Subject, run: int, start: StartDirective, parallelism: int) -> Manifest:
    """The ConfigMap ``<job>-<run>``. Its document may change while the run goes on: a rescale edits the parallelism."""
    return manifest(
        subject,
        "v1",
        "ConfigMap",
        names.run(subject.name, run),
        labels=labels.of_run(subject.name, run),
        data={"job.yaml": document(subject, parallelism), "start.json": directive(start)},
    )
