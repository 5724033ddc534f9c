"""The pods of a job: ``jobManager`` and ``taskManager`` of a StreamJob."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import DefaultText
from weir_operator.models.pod import Pod, Resources
from weir_operator.models.values import Size


class JobManager(SpecModel):
    """The JobManager's pod."""

    resources: Annotated[
        Resources, DefaultText("limits cpu 1, memory 512Mi; requests cpu 100m and all of the memory")
    ] = Field(default=Resources(), description="Compute resources of the JobManager.")
    pod: Pod = Field(default=Pod(), description="What else is said about its pod: an allow-list.")


class TaskManager(SpecModel):
    """The TaskManagers' pods."""

    slots: int = Field(
        default=1,
        ge=1,
        le=128,
        description="Worker processes of a TaskManager, each of which runs a slice of the job. Pods: slots that the plan needs, divided by this, rounded up.",
    )
    resources: Annotated[
        Resources,
        DefaultText(
            "limits cpu 1 a slot, memory 512Mi and 512Mi a slot; requests cpu 250m a slot and all of the memory"
        ),
    ] = Field(
        default=Resources(),
        description="Compute resources of each TaskManager, for all its slots together.",
    )
    pod: Pod = Field(default=Pod(), description="What else is said about their pods: an allow-list.")
    local_storage: Annotated[Size | None, DefaultText("10Gi")] = Field(
        default=None,
        description="Disk of each TaskManager for state and spilled rows, as 10Gi. It ends with the pod; nothing there has to survive.",
    )
