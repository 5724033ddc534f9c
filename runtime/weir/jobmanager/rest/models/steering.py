"""Bodies and answers of what people ask of a running job: savepoints, a stop with one, another parallelism."""

from __future__ import annotations

import enum

import msgspec

from weir.jobmanager.rest.models.jobs import FailureCause, QueueStatus


class SavepointFormat(enum.StrEnum):
    """A canonical savepoint fits any state backend; a native one is in the files of the backend that wrote it."""

    CANONICAL = "CANONICAL"
    NATIVE = "NATIVE"


class SavepointTrigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of ``POST /jobs/:id/savepoints``."""

    target_directory: str | None = msgspec.field(name="target-directory", default=None)
    cancel_job: bool = msgspec.field(name="cancel-job", default=False)
    format_type: SavepointFormat = msgspec.field(name="formatType", default=SavepointFormat.CANONICAL)
    trigger_id: str | None = msgspec.field(name="triggerId", default=None)


class DisposalTrigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of ``POST /savepoint-disposal``."""

    savepoint_path: str = msgspec.field(name="savepoint-path")
    trigger_id: str | None = msgspec.field(name="triggerId", default=None)


class StopTrigger(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Body of ``POST /jobs/:id/stop``."""

    target_directory: str | None = None
    drain: bool = False
    format_type: SavepointFormat = SavepointFormat.CANONICAL
    trigger_id: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """How what was asked for ended; ``location``: URI of the savepoint's folder."""

    location: str | None = None
    failure_cause: FailureCause | None = None


class OperationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what was asked for is done, and how it ended."""

    status: QueueStatus
    operation: Outcome | None = None


class Parallelism(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Bounds of a vertex; Weir takes the upper one."""

    lower_bound: int = 1
    upper_bound: int


class VertexRequirements(msgspec.Struct, frozen=True, kw_only=True):
    """What a vertex is to have."""

    parallelism: Parallelism
