"""The two CustomResourceDefinitions, whole: names, versions, subresources, what ``kubectl get`` prints.

``files`` gives what `make crds` writes; nothing here reads or writes anything.
"""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel

from weir_operator.models import schema
from weir_operator.models.checks import Rule
from weir_operator.models.stream_job import GROUP, VERSION, StreamJob
from weir_operator.models.stream_job_snapshot import StreamJobSnapshot

#: First line of each file.
HEAD = "# Written by `make crds` from weir_operator.models; do not edit.\n"

#: Longest name of a job: `<name>-<run>-jm` has to fit into 63 characters.
MAX_NAME = 45
NAME_PATTERN = "[a-z]([-a-z0-9]*[a-z0-9])?"
NAME_RULES = (
    Rule(
        "metadata.name is longer than 45 characters, and names of workloads are made of it; choose a shorter one",
        f"size(self.metadata.name) <= {MAX_NAME}",
        lambda job: len(job.metadata.name) <= MAX_NAME,
    ),
    Rule(
        "metadata.name has a '.' or begins with a digit, and Services are named by it; choose lower-case letters, digits and '-'",
        f"self.metadata.name.matches('^{NAME_PATTERN}$')",
        lambda job: job.metadata.name[:1].isalpha() and "." not in job.metadata.name,
    ),
)


def _column(
    name: str, path: str, description: str, kind: str = "string", *, wide: bool = False
) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": 1} if wide else column


_READY = '.status.conditions[?(@.type=="Ready")]'
_AGE = _column("Age", ".metadata.creationTimestamp", "Since the resource was made.", "date")

_JOB_COLUMNS = [
    _column("Phase", ".status.phase", "The life of the job in one word."),
    _column("Ready", f"{_READY}.status", "Whether the job does what the spec asks for."),
    _column(
        "Parallelism", ".spec.job.parallelism", "Subtasks of each operator that were asked for.", "integer"
    ),
    _column("TaskManagers", ".status.summary.taskManagers", "Registered and wanted."),
    _column("Checkpoint", ".status.summary.checkpoint", "Number of the last completed checkpoint."),
    _AGE,
    _column("Run", ".status.run", "Run that is live; names the pods.", "integer", wide=True),
    _column("Reason", f"{_READY}.reason", "Why Ready is what it is.", wide=True),
    _column("Message", ".status.summary.message", "The same in a sentence.", wide=True),
]
_SNAPSHOT_COLUMNS = [
    _column("Phase", ".status.phase", "The life of the snapshot in one word."),
    _column("Ready", f"{_READY}.status", "Whether a job can start from it."),
    _column("Job", ".status.summary.job", "StreamJob that took it, or external."),
    _column("Size", ".status.summary.size", "Size of its state."),
    _AGE,
    _column("Path", ".status.summary.path", "Where it is.", wide=True),
    _column("Message", ".status.summary.message", "What happened, in a sentence.", wide=True),
]


def stream_job() -> dict[str, Any]:
    """The CRD of StreamJob."""
    scale = {
        "specReplicasPath": ".spec.job.parallelism",
        "statusReplicasPath": ".status.parallelism",
        "labelSelectorPath": ".status.selector",
    }
    root = _root(
        StreamJob,
        "A stateful streaming job: the operator makes its JobManager and TaskManagers and keeps it running, exactly once, through crashes, upgrades and rescaling.",
    )
    root["x-kubernetes-validations"] = schema.validations(StreamJob, NAME_RULES)
    return _crd("StreamJob", "sj", root, {"status": {}, "scale": scale}, _JOB_COLUMNS)


def stream_job_snapshot() -> dict[str, Any]:
    """The CRD of StreamJobSnapshot."""
    root = _root(
        StreamJobSnapshot,
        "A savepoint of a StreamJob: asked for by this resource, taken elsewhere, or made by the operator for an upgrade or a schedule.",
    )
    return _crd("StreamJobSnapshot", "sjs", root, {"status": {}}, _SNAPSHOT_COLUMNS)


def files() -> dict[str, str]:
    """What `make crds` writes, by file name."""
    made = {crd["metadata"]["name"]: crd for crd in (stream_job(), stream_job_snapshot())}
    return {
        f"{name}.yaml": HEAD + yaml.safe_dump(crd, sort_keys=False, width=120) for name, crd in made.items()
    }


def _root(kind: type[BaseModel], description: str) -> dict[str, Any]:
    made = schema.of_class(kind, leave_out=("metadata",))
    head = {
        "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
        "kind": {"type": "string", "description": f"{kind.__name__}."},
        "metadata": {"type": "object"},
    }
    return {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {**head, **made["properties"]},
    }


def _crd(
    kind: str, short: str, root: dict[str, Any], subresources: dict[str, Any], columns: list[dict[str, Any]]
) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": columns,
        "subresources": subresources,
        "schema": {"openAPIV3Schema": root},
    }
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": [short],
        "categories": ["weir"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "weir"}},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }
