"""Our resources as classes: ``StreamJob`` and ``StreamJobSnapshot``, with everything that they may say.

Names are those of the contract, camel case outside and snake case inside. The CRDs, ``kubectl explain`` and the reference
pages are made from these classes by ``schema``.
"""

from __future__ import annotations

from weir_operator.models.base import ObjectMeta
from weir_operator.models.conditions import Condition, ConditionType
from weir_operator.models.execution import JobState, OnCancel
from weir_operator.models.memory import Deployed, End, Pin, PinReason, Rescale, StartDirective, StartMode
from weir_operator.models.operations import DeletionPolicy, Handover, RestorePolicy, UpgradeMode
from weir_operator.models.pod import EnvVar, Pod, Resources
from weir_operator.models.stream_job import API_VERSION, GROUP, VERSION, StreamJob
from weir_operator.models.stream_job_snapshot import (
    SnapshotPhase,
    SnapshotSummary,
    StreamJobSnapshot,
    StreamJobSnapshotSpec,
    StreamJobSnapshotStatus,
)
from weir_operator.models.stream_job_spec import StreamJobSpec
from weir_operator.models.stream_job_status import (
    CheckpointRecord,
    Deletion,
    Downtime,
    Nonces,
    PendingSnapshot,
    Phase,
    PhaseTimes,
    Revision,
    RootCause,
    SavepointRecord,
    Schedule,
    StreamJobStatus,
    Sweep,
    Trigger,
    UpgradeIntent,
    UpgradePhase,
    UpgradeReason,
    UpgradeRecord,
)
from weir_operator.models.values import Duration, Size
from weir_operator.models.volumes import Volume

__all__ = [
    "API_VERSION",
    "GROUP",
    "VERSION",
    # what users write
    "DeletionPolicy",
    "Duration",
    "EnvVar",
    "Handover",
    "JobState",
    "OnCancel",
    "Pod",
    "Resources",
    "Rescale",
    "RestorePolicy",
    "Size",
    "StreamJob",
    "StreamJobSnapshot",
    "StreamJobSnapshotSpec",
    "StreamJobSpec",
    "UpgradeMode",
    "Volume",
    # what the operator writes
    "CheckpointRecord",
    "Condition",
    "ConditionType",
    "Deletion",
    "Deployed",
    "Downtime",
    "End",
    "Nonces",
    "ObjectMeta",
    "PendingSnapshot",
    "Phase",
    "PhaseTimes",
    "Pin",
    "PinReason",
    "Revision",
    "RootCause",
    "SavepointRecord",
    "Schedule",
    "SnapshotPhase",
    "SnapshotSummary",
    "StartDirective",
    "StartMode",
    "StreamJobSnapshotStatus",
    "StreamJobStatus",
    "Sweep",
    "Trigger",
    "UpgradeIntent",
    "UpgradePhase",
    "UpgradeReason",
    "UpgradeRecord",
]
