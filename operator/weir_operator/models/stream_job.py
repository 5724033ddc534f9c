"""``StreamJob``: the resource as the operator reads it."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from weir_operator.models.base import ObjectMeta, StatusModel
from weir_operator.models.stream_job_spec import StreamJobSpec
from weir_operator.models.stream_job_status import StreamJobStatus

GROUP = "weir.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "StreamJob"


class StreamJob(StatusModel):
    """The resource."""

    metadata: ObjectMeta
    spec: StreamJobSpec = Field(description="What is wanted of the job.")
    status: StreamJobStatus = Field(
        default=StreamJobStatus(),
        description="What the operator says of the job; written by the operator only.",
    )

    @classmethod
    def of(cls, body: dict[str, Any]) -> Self:
        """Of what the API server says. Raises pydantic's ``ValidationError``; ``validation`` makes messages of it."""
        return cls.model_validate(body)

    @property
    def job_id(self) -> str:
        """32 hex digits, from the resource's UID: the same over all upgrades, another for another resource."""
        return self.metadata.uid.replace("-", "")

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
