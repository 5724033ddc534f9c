"""The reference pages of our resources, made from the CRDs: ``stream-job.md`` and ``stream-job-snapshot.md``.

Descriptions and defaults are those that ``kubectl explain`` shows; a contract test holds what `weir run` reads to the same fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weir.cli.resource import CLUSTER_ONLY, SETTING_FIELDS
from weir_operator.models import crd
from weir_operator.models.values import MAX_LENGTH

_JOB_HEAD = """\
# StreamJob

The resource that describes a job. `kubectl apply` gives it to the operator, and `weir run FILE.yaml` takes the same file on one machine. `kubectl explain sj.spec` shows what stands
here; [examples](stream-job-examples.md) show every field at work. What only a cluster has is marked; `weir run` ignores it and says so.

A field that is not set leaves its setting to whoever sets it elsewhere: [who wins](settings.md). An unknown field is refused with the nearest one. All faults are
told at once, with path, value and what to do: by `weir run` with the line, by the API server before anything is stored, and by the operator in the condition
Ready for what only it can say.

Who writes a StreamJob has to have the right to `get` the Secrets, ConfigMaps and claims that it names, or to `use` the Secrets: the policies in `crds/policies.yaml` refuse the rest by
name. They also warn of what is deprecated or seldom meant.

Durations are written `500ms`, `10s`, `1h30m` (hours are the longest unit), sizes and amounts `64Mi`, `500m`.

"""
_SNAPSHOT_HEAD = """\
# StreamJobSnapshot

A savepoint as a resource, short name `sjs`: one to be taken now (`job`), or one that was taken elsewhere (`external`) and shall have a name. The operator makes one itself for each
savepoint that it takes by schedule, by nonce, for an upgrade or to suspend a job. A StreamJob starts from it by `restore.snapshot`. [Examples](stream-job-examples.md) show each form,
and [a guide](../how-to/keep-savepoints-with-kubectl.md) goes through taking, keeping, using and deleting them.

"""
_TABLE = "| field | accepts | |\n|---|---|---|\n"
_STATUS = "\n## Status\n\nWritten by the operator only. All of it can be lost without harm: what matters is beside the checkpoints.\n\n| field | |\n|---|---|\n"


def stream_job() -> str:
    """``stream-job.md``."""
    head = [
        "| `metadata.name` | at most 45 lower-case letters, digits and '-' | The job's name, of which the names of its pods are made. State that an earlier job of this name left is found by it: `spec.restore.policy`. |",
        "| `metadata.namespace` | text | In a cluster; jobs of `weir run` are in the namespace `local`. |",
    ]
    return _JOB_HEAD + _TABLE + "\n".join([*head, *_page(crd.stream_job())])


def stream_job_snapshot() -> str:
    """``stream-job-snapshot.md``."""
    return _SNAPSHOT_HEAD + _TABLE + "\n".join(_page(crd.stream_job_snapshot()))


def _page(definition: dict[str, Any]) -> Iterator[str]:
    root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for path, node in _fields(root["spec"], "spec"):
        yield f"| `{path}` | {_accepts(path, node)} | {_meaning(path, node)} |"
    yield _STATUS.rstrip("\n")
    for path, node in _fields(root["status"], "status"):
        yield f"| `{path}` | {_cell(node['description'])} |"
    yield ""


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fields in order; of the pods' allow-list, which is there twice, only the TaskManagers'."""
    for name, node in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, node
        if here != "spec.jobManager.pod":
            yield from _fields(node, here)
            yield from _fields(node.get("items", {}), f"{here}[]")


def _accepts(path: str, node: dict[str, Any]) -> str:
    if path == "spec.config":
        return "values by key"
    if "enum" in node:
        return "one of " + ", ".join(value or "''" for value in node["enum"])
    if node.get("x-kubernetes-int-or-string"):
        return "a size" if path.endswith("localStorage") else "an amount"
    kind = node["type"]
    if kind in ("integer", "number"):
        noun = "a whole number" if kind == "integer" else "a number"
        return f"{noun} from {node['minimum']} to {node['maximum']}"
    if kind == "string":
        return "a duration" if node.get("maxLength") == MAX_LENGTH else "text"
    if kind == "array":
        return f"a list, at most {node['maxItems']}"
    if kind == "object":
        return "values by key" if "additionalProperties" in node else ""
    return "true or false"


def _meaning(path: str, node: dict[str, Any]) -> str:
    text = _cell(node["description"])
    if path == "spec.jobManager.pod":
        text += " As `spec.taskManager.pod`."
    if path in SETTING_FIELDS:
        text += f" Setting `{SETTING_FIELDS[path]}`."
    if any(path == start or path.startswith(f"{start}.") for start in CLUSTER_ONLY):
        text += " *In a cluster only.*"
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
