"""What conditions and events can say, with what helps: the list that ``docs/reference/events.md`` is made from.

A test compares it with what the code says, so nothing is told that is not listed, and nothing is listed that is never told.
"""

from __future__ import annotations

from collections.abc import Mapping

from weir_operator.models import ConditionType
from weir_operator.status.causes import Cause

#: Conditions of a StreamJob.
CONDITIONS: Mapping[ConditionType, str] = {
    ConditionType.READY: "The resource is as this generation of its spec asks: the job runs, or it is suspended as asked, or it came to the end of its input.",
    ConditionType.PROGRESSING: "Something is under way towards that; the message says what is waited for.",
    ConditionType.DEGRADED: "It is not as asked, and that is not a matter of moments.",
    ConditionType.SUSPENDED: "No job runs because `job.state` says so.",
    ConditionType.UPGRADE_BLOCKED: "While it holds: a change is not made; the old job goes on.",
    ConditionType.RESTORE_BLOCKED: "While it holds: every way to start would lose or repeat something; you choose.",
    ConditionType.STALLED: "While it holds: waiting does not help, the spec has to be edited. kstatus reads it.",
    ConditionType.DRIFTED: "While it holds: an object of the job is not as the operator applied it, and `paused` keeps it so.",
    ConditionType.RECONCILE_FAILED: "While it holds: the operator itself is hindered; the rest of the status is as the last good pass left it.",
}

#: Reasons of UpgradeBlocked, RestoreBlocked and Degraded, with what helps.
REASONS: Mapping[str, str] = {
    "InvalidSpec": "The spec has faults, each named with its path. Edit it; until then the last good spec holds.",
    "DoesNotFit": "The new job does not fit the state of the running one, says the pre-flight pod. Change the job, or give state up by `job.allowNonRestoredState`.",
    "PreflightFailed": "The pre-flight pod ended without a verdict. The message has its last words; another one is made, later each time.",
    "PreflightPending": "The pre-flight pod gives no answer: often an image that cannot be pulled, or no room.",
    "StandbyNotReady": "The new pods do not become ready beside the old ones. Make room, or set `upgrade.handover: Recreate`.",
    "SavepointFailed": "The savepoint failed and is tried again, later each time. Taking the change back ends it.",
    "SavepointTimeout": "The savepoint takes longer than `upgrade.savepointTimeout`. Wait, take the change back, or set `upgrade.mode: LastState`.",
    "RescaleFailed": "The parallelism could not be reached, mostly for lack of room; the job goes on as it was and it is tried again.",
    "RevisionLost": "`upgrade.rollbackTo` names a revision whose ControllerRevision was deleted.",
    "NothingToRestore": "The job is down and never completed a checkpoint, since checkpointing is off.",
    "NoSafeSnapshot": "The engine will not choose what to restore; the message says what each choice costs. Set `restore.from` and change `restore.nonce`; or bring the missing files back and change `upgrade.restartNonce`.",
    "SnapshotNotFound": "`restore.snapshot` names a StreamJobSnapshot that does not exist or is not complete.",
    "BucketUnreadable": "The pod that reads the job's folder in the bucket fails. The message has its last words.",
    "NotStable": "A new run did not become stable, and the job does not go back: its revision ran well before, or no other did, or `upgrade.rollback` is false.",
    "RestartBudgetSpent": "The operator started the job anew as often as it does for failures of this class.",
}

#: Events of a StreamJob.
EVENTS: Mapping[str, str] = {
    "CreateStarted": "The first run begins.",
    "SpecStarted": "The spec changed in something that needs another run.",
    "SuspendStarted": "The job stops with a savepoint.",
    "ResumeStarted": "A suspended job begins again.",
    "RestartStarted": "`upgrade.restartNonce` changed.",
    "RestoreStarted": "`restore.nonce` changed: the job goes back to a snapshot.",
    "RestoreFailed": "The snapshot was there when the new image was tried, and gone when the new run began, as a checkpoint that retention has deleted since; the job goes on from where it stopped.",
    "RollbackStarted": "The job goes back to an earlier revision.",
    "RecoveryStarted": "The run is started anew, since it did not help itself.",
    "AppliedInPlace": "The spec changed in what needs no other pod.",
    "UpgradeCancelled": "A change was taken back before anything was done for it.",
    "Stable": "A new run is stable; `status.lastUpgrade` tells of the change.",
    "RollingBack": "A new run did not become stable.",
    "RollbackRequested": "`upgrade.rollbackTo` is obeyed.",
    "RollbackRefused": "`upgrade.rollbackTo` names a revision that is not kept.",
    "StartingEmpty": "The job starts without state, as asked.",
    "StartRefused": "The log had moved on since the start was decided on; it is decided anew.",
    "SnapshotSkipped": "A damaged checkpoint was passed over for the one before it; nothing was committed with it, so nothing is lost or doubled.",
    "Overtaken": "The log belongs to a higher run than the status knows.",
    "StateFound": "The status was empty; the job was found again by its pods or in the bucket.",
    "Rescaling": "The job goes to another parallelism; no pod is replaced.",
    "Rescaled": "It has it.",
    "Restarting": "Why the operator starts a run anew.",
    "Finished": "The job came to the end of its input.",
    "Failed": "The job failed for good; another revision or a nonce starts it again.",
    "Cancelled": "The job was cancelled.",
    "DriftCorrected": "An object of the job was deleted or edited by hand, and was applied again.",
    "DriftFound": "The same while the job is paused: it is not put back yet.",
    "InvalidSpec": "The spec has faults, each named with its path; the last good one holds.",
    "UpgradeBlocked": "The condition, when it begins or its reason changes.",
    "RestoreBlocked": "The condition, when it begins or its reason changes.",
    "Degraded": "The condition, when an operator's decision begins it.",
    "DeletionWithoutSavepoint": "The job was down when its resource was deleted, so no last savepoint is taken.",
    "DeletionLeftovers": "The resource goes although something of it is left; what that is.",
    "SnapshotRequested": "A StreamJobSnapshot is made by nonce or schedule.",
    "SnapshotExpired": "A StreamJobSnapshot goes, as `snapshots.keep` says.",
    "CertificatesRotated": "The pods of a run present other certificates, and the ones before are refused; nothing restarted.",
    "CertificatesLate": "A rotation takes so long that certificates may end before it is over. The message says what is waited for.",
    "Swept": "Objects that nothing refers to were deleted from the job's folder in the bucket.",
    "SweepFailed": "They could not be deleted; it is tried again.",
}

#: Events of a StreamJobSnapshot.
SNAPSHOT_EVENTS: Mapping[str, str] = {
    "SavepointStarted": "The job takes the savepoint.",
    "SavepointCompleted": "It is complete; the status has its path.",
    "SavepointFailed": "An attempt failed; or, in a resource that is Failed, the last one did.",
    "SnapshotDisposed": "The savepoint's files were deleted with the resource.",
    "SnapshotKept": "The resource goes and its files stay; why.",
    "JobDeleted": "No savepoint can be had: the StreamJob is being deleted.",
    "JobEnded": "No savepoint can be had: the job has come to its end.",
    "JobSuspended": "No savepoint can be had: the job is suspended; its last savepoint is named.",
    "JobNotRunning": "No savepoint was had: the job did not run for a long time.",
    "NoFolder": "Neither `path` nor the job's `storage.savepoints` says where it goes.",
    "InvalidSpec": "The spec has faults, each named with its path.",
}

#: Reasons of the condition ReconcileFailed, each an event as well.
MISHAPS: Mapping[str, str] = {
    "ReconcileFailed": "A pass broke: a defect of the operator, or a resource that nobody thought of. Its log has the traceback.",
    "NameTaken": "An object of that name exists and is not the operator's. Delete or rename it.",
    "Denied": "The operator lacks a right, or a quota or an admission policy refuses the object.",
    "NamespaceEnds": "The namespace is being deleted.",
    "Absent": "Something went away while it was needed.",
    "Gone": "A list was too old; it is read again.",
    "Throttled": "The API server asks for patience.",
    "Unanswered": "The API server does not answer.",
    "JobManagerUnreachable": "The JobManager does not answer.",
    "JobManagerRefused": "The JobManager refuses a request.",
}

#: Classes of ``status.rootCause.kind``, with what helps.
CAUSES: Mapping[Cause, str] = {
    Cause.IMAGE: "The image cannot be pulled: see to its name, its tag and `pod.imagePullSecrets`.",
    Cause.CONFIG: "A Secret, ConfigMap or key that the pod names does not exist, or a setting is refused.",
    Cause.UNSCHEDULABLE: "No node takes the pod: see to its requests, selectors and tolerations, or add nodes.",
    Cause.QUOTA: "A quota or an admission policy lets no more pods be made.",
    Cause.VOLUME: "The pod has a node, and its containers are not made: mostly a volume, Secret or ConfigMap that cannot be mounted.",
    Cause.OUT_OF_MEMORY: "The kernel killed the container at its memory limit: raise `resources`, or use RocksDB.",
    Cause.EVICTED: "The node ended the pod, for its disk, its memory or a drain.",
    Cause.INIT_CONTAINER: "What runs before the engine failed: the code could not be fetched, or is another than `sha256` says.",
    Cause.STORAGE_DENIED: "The bucket refuses the credentials (403): see to `storage.s3.credentialsSecret` and the bucket's policy.",
    Cause.STORAGE: "The bucket does not answer as it should.",
    Cause.USER: "The job's own code raised; message and log tail have file and line.",
    Cause.CRASH: "A process of the engine ended; the log tail is the end of what it said.",
}
