"""The job that a pod's JobManager starts with: the operator's StreamJob document and its start directive, as a ``Submit``.

As ``weir run`` reads a StreamJob, but for what only a cluster has: the job's id is the resource's uid, its namespace is the
resource's, and a job with a directive is the operator's to steer.
"""

from __future__ import annotations

import os
from typing import Final

import msgspec
from msgspec import structs

from weir.checkpoint.start_directive import StartDirective
from weir.cli.resource import JobResource, read_resource
from weir.config import options
from weir.errors import ConfigError
from weir.ids import JobId, is_job_id
from weir.rpc.messages import JobSpec
from weir.rpc.requests import Submit

#: Where the operator mounts a job's code, and where images keep theirs.
CODE_FOLDER: Final = "/opt/weir/jobs"


def served_job(resource: str, start: str | None, run: str, *, standby: bool) -> Submit:
    """What to submit. Raises ``ConfigError`` with every fault of the document, or of the directive."""
    found = read_resource(resource, code_folder=CODE_FOLDER if os.path.isdir(CODE_FOLDER) else None)
    directive = None if start is None else read_directive(start, run)
    _point_to_storage(found)
    return Submit(
        job=_in_cluster(found, managed=directive is not None or standby),
        job_id=job_id_of(resource, found),
        restore_policy=found.restore_policy,
        directive=directive,
        standby=standby,
    )


def cluster_job(resource: str) -> tuple[JobSpec, JobId | None]:
    """The job and its id, for whoever looks after it without running it. Raises ``ConfigError``."""
    found = read_resource(resource, code_folder=CODE_FOLDER if os.path.isdir(CODE_FOLDER) else None)
    _point_to_storage(found)
    return _in_cluster(found, managed=True), job_id_of(resource, found)


def read_directive(path: str, run: str) -> StartDirective:
    """The directive for this run. Raises ``ConfigError``."""
    try:
        with open(path, "rb") as file:
            directive = msgspec.json.decode(file.read(), type=StartDirective)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"--start {path} cannot be read: {error}") from error
    if str(directive.run) != run:
        raise ConfigError(f"--start {path} is for run {directive.run}, this process is of --run {run}")
    return directive


def job_id_of(path: str, resource: JobResource) -> JobId | None:
    """The uid without its dashes; ``None`` where the document has none. Raises ``ConfigError``."""
    if resource.uid is None:
        return None
    found = resource.uid.replace("-", "").lower()
    if not is_job_id(found):
        raise ConfigError(
            f"{path}: metadata.uid is {resource.uid!r}, expected 32 hex digits, with or without dashes"
        )
    return JobId(found)


def _in_cluster(resource: JobResource, *, managed: bool) -> JobSpec:
    """In a cluster a cancelled job keeps its checkpoints, unless somebody says otherwise."""
    spec, key = resource.spec, options.CHECKPOINT_RETENTION.key
    namespace = resource.namespace or "default"
    defaults = {key: "Retain", **spec.defaults}
    places = {key: "the default in a cluster", **spec.places}
    return structs.replace(
        spec,
        namespace=namespace,
        managed_by=f"{namespace}/{spec.name}" if managed else "",
        defaults=defaults,
        places=places,
    )


def _point_to_storage(resource: JobResource) -> None:
    """Where the pod does not say where S3 is, the document does."""
    if resource.s3.endpoint:
        os.environ.setdefault("AWS_ENDPOINT_URL", resource.s3.endpoint)
    if resource.s3.region:
        os.environ.setdefault("AWS_REGION", resource.s3.region)
