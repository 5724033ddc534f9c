"""What ``weir submit`` sends: a StreamJob and, for a script of this machine, a ConfigMap that holds it. Pure but for reading.

The ConfigMap is named by its content and never changes, so a changed script is a changed StreamJob, which the operator
upgrades to by savepoint, and an earlier revision finds its own script again.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from weir.errors import ConfigError

Document = dict[str, Any]
#: Annotation of a StreamJob: the outline of its graph (``weir.graph.changes``).
GRAPH = "weir.dev/graph"
#: etcd takes about a mebibyte for an object.
MAX_SCRIPT = 900_000
_JOB_NAME = re.compile(r"[a-z]([-a-z0-9]{0,43}[a-z0-9])?")


@dataclass(frozen=True)
class Described:
    """What the command line says of a script that no file describes."""

    name: str | None = None
    image: str | None = None
    parallelism: int | None = None
    interval: str | None = None
    checkpoints: str | None = None
    savepoints: str | None = None
    s3_endpoint: str | None = None
    credentials_secret: str | None = None


@dataclass(frozen=True)
class Submission:
    """Documents in the order in which they are applied."""

    job: Document
    code: Document | None = None
    #: Why the job's graph is not known; it is compared with nothing then.
    unknown: str | None = None

    def with_graph(self, graph: str) -> Submission:
        """The job with what is remembered of its graph, by which the next version is compared with it."""
        metadata = self.job["metadata"]
        annotations = {**(metadata.get("annotations") or {}), GRAPH: graph}
        return replace(self, job={**self.job, "metadata": {**metadata, "annotations": annotations}})

    @property
    def documents(self) -> list[Document]:
        """Code first: the job names it."""
        return [*([self.code] if self.code is not None else []), self.job]


def of_script(path: str, args: Sequence[str], said: Described) -> Submission:
    """A StreamJob for a script. Raises ``ConfigError`` for one that cannot be read, is too large or has no good name."""
    stem = os.path.splitext(os.path.basename(path))[0].lower().replace("_", "-")
    name = said.name or stem
    if not _JOB_NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a job's name: at most 45 lower-case letters, digits and '-', beginning with a letter; give one "
            "by --name"
        )
    job: Document = {"entrypoint": os.path.basename(path)}
    if args:
        job["args"] = list(args)
    if said.parallelism is not None:
        job["parallelism"] = said.parallelism
    storage: Document = {
        key: value
        for key, value in (("checkpoints", said.checkpoints), ("savepoints", said.savepoints))
        if value
    }
    s3 = {
        key: value
        for key, value in (("endpoint", said.s3_endpoint), ("credentialsSecret", said.credentials_secret))
        if value
    }
    spec: Document = {"job": job}
    spec |= {"image": said.image} if said.image else {}
    spec |= {"checkpoints": {"interval": said.interval}} if said.interval else {}
    spec |= {"storage": storage | ({"s3": s3} if s3 else {})} if storage or s3 else {}
    document = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": name},
        "spec": spec,
    }
    return _with_code(document, path)


def of_document(document: Document, folder: str) -> Submission:
    """A StreamJob as its file says; its script comes along if it lies beside the file and nothing else brings the code."""
    job = document["spec"]["job"]
    entrypoint = str(job.get("entrypoint"))
    script = os.path.join(folder, entrypoint)
    if job.get("code") or not entrypoint.endswith(".py") or not os.path.exists(script):
        return Submission(document)
    return _with_code(document, script)


def _with_code(document: Document, path: str) -> Submission:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if len(text.encode()) > MAX_SCRIPT:
        raise ConfigError(
            f"{path} has {len(text.encode())} bytes, and a ConfigMap holds {MAX_SCRIPT}; put it into an image, or into an archive "
            "that job.code.uri names"
        )
    file_name, metadata = os.path.basename(path), document["metadata"]
    digest = hashlib.sha256(f"{file_name}\n{text}".encode()).hexdigest()[:10]
    code_name = f"{metadata['name']}-code-{digest}"
    namespace = {"namespace": metadata["namespace"]} if metadata.get("namespace") else {}
    code: Document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": code_name, "labels": {"weir.dev/submitted": metadata["name"]}, **namespace},
        "immutable": True,
        "data": {file_name: text},
    }
    spec = document["spec"]
    job = {**spec["job"], "entrypoint": file_name, "code": {"configMap": code_name}}
    return Submission({**document, "spec": {**spec, "job": job}}, code)
