"""Flink's metric names as Weir serves them: scope, name, unit, meaning. ``docs/reference/rest.md`` is made from this table.

``metrics`` computes the values; a test holds that it gives exactly these names.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class MetricName(NamedTuple):
    """One row."""

    name: str
    unit: str
    text: str


CLUSTER: Final = (
    MetricName("numRegisteredTaskManagers", "", "TaskManagers that are registered."),
    MetricName("taskSlotsTotal", "", "Worker processes of all TaskManagers."),
    MetricName("taskSlotsAvailable", "", "Worker processes that no job holds."),
    MetricName("numRunningJobs", "", "Jobs that are RUNNING."),
)
JOB: Final = (
    MetricName("numRestarts", "", "Restarts after failures."),
    MetricName("fullRestarts", "", "The same: also those of a region alone."),
    MetricName("numRescales", "", "Rescales in place that were carried out."),
    MetricName("creatingTime", "ms", "Time in CREATED now; with `Total` behind, all times together."),
    MetricName("creatingTimeTotal", "ms", ""),
    MetricName("runningTime", "ms", "Time in RUNNING."),
    MetricName("runningTimeTotal", "ms", ""),
    MetricName("restartingTime", "ms", "Time in RESTARTING."),
    MetricName("restartingTimeTotal", "ms", ""),
    MetricName("failingTime", "ms", "Time in FAILING."),
    MetricName("failingTimeTotal", "ms", ""),
    MetricName("cancellingTime", "ms", "Time in CANCELLING."),
    MetricName("cancellingTimeTotal", "ms", ""),
    MetricName("uptime", "ms", "As `runningTime`."),
    MetricName("totalNumberOfCheckpoints", "", "Checkpoints and savepoints begun."),
    MetricName("numberOfCompletedCheckpoints", "", "Those that completed."),
    MetricName("numberOfFailedCheckpoints", "", "Those that failed."),
    MetricName("numberOfInProgressCheckpoints", "", "Those under way."),
    MetricName("lastCompletedCheckpointId", "", "The newest completed checkpoint; -1: none."),
    MetricName("lastCheckpointDuration", "ms", "From its trigger to its completion; -1: none."),
    MetricName("lastCheckpointSize", "bytes", "What it wrote; -1: none."),
    MetricName("lastCheckpointFullSize", "bytes", "What it refers to; the same, since checkpoints are full."),
    MetricName("lastCheckpointCompletedTimestamp", "wall ms", "When it completed; -1: none."),
    MetricName("lastCheckpointExternalPath", "URI", "Where it is; `n/a`: none."),
    MetricName(
        "lastCheckpointRestoreTimestamp", "wall ms", "When the newest attempt ran from a snapshot; -1."
    ),
)
SUBTASK: Final = (
    MetricName("numRecordsIn", "", "Rows taken in, in this attempt."),
    MetricName("numRecordsOut", "", "Rows given out."),
    MetricName("numBytesIn", "bytes", "As flow control counts them."),
    MetricName("numBytesOut", "bytes", ""),
    MetricName("numRecordsInPerSecond", "1/s", "The same four over the last seconds."),
    MetricName("numRecordsOutPerSecond", "1/s", ""),
    MetricName("numBytesInPerSecond", "bytes/s", ""),
    MetricName("numBytesOutPerSecond", "bytes/s", ""),
    MetricName(
        "accumulateBusyTimeMs", "ms", "Time in which it worked; the three add up to the time that passed."
    ),
    MetricName("accumulateIdleTimeMs", "ms", "Time in which it had nothing to do."),
    MetricName("accumulateBackPressuredTimeMs", "ms", "Time in which it waited for those after it."),
    MetricName("busyTimeMsPerSecond", "ms/s", "The same three over the last seconds: they add up to 1000."),
    MetricName("idleTimeMsPerSecond", "ms/s", ""),
    MetricName("backPressuredTimeMsPerSecond", "ms/s", ""),
    MetricName("isBackPressured", "true, false", "Back-pressured for more than a tenth of the time."),
    MetricName("inPoolUsage", "0 to 1", "Share of the bytes that may wait at its inputs."),
    MetricName("outPoolUsage", "0 to 1", "Share of the bytes that it may have under way."),
    MetricName("queuedInputBytes", "bytes", "Bytes that wait to be taken in."),
    MetricName("debloatedBufferSize", "bytes", "What one channel may hold; fixed."),
    MetricName("currentInputWatermark", "event ms", "-9223372036854775808: none yet."),
    MetricName("currentOutputWatermark", "event ms", ""),
    MetricName("mailboxQueueSize", "", "Calls that wait in its worker, which its other subtasks share."),
    MetricName("mailboxLatencyMs", "ms", "How long one waited at most since the last report."),
    MetricName(
        "initializationTime", "ms", "From its deployment until it ran: code, functions, restored state."
    ),
    MetricName("numFiredTimers", "", "Timers that fired."),
    MetricName("numLateRecordsDropped", "", "Rows that came after their window was gone."),
    MetricName("numDeadLetters", "", "Rows whose function raised, and that were diverted."),
    MetricName(
        "currentEmitEventTimeLag", "ms", "Sources with timestamps: age of the newest row when emitted."
    ),
    MetricName("pendingRecords", "", "Sources that know it: rows left of the splits that the subtask has."),
    MetricName("pendingBytes", "bytes", "Files: the same in bytes."),
    MetricName(
        "checkpointAlignmentTime",
        "ns",
        "Of the newest completed checkpoint: barriers waiting for each other.",
    ),
    MetricName("checkpointStartDelayNanos", "ns", "Of the same: from its trigger to the first barrier."),
)
TASK_MANAGER: Final = (
    MetricName("taskSlotsTotal", "", "Its worker processes."),
    MetricName("taskSlotsAvailable", "", "Those that no job holds."),
    MetricName("numWorkers", "", "Those that are ready."),
    MetricName("lastHeartbeatMs", "ms", "Since its last heartbeat."),
)
#: By the route that serves them.
BY_ROUTE: Final = {
    "/jobmanager/metrics": CLUSTER,
    "/taskmanagers/:taskmanager/metrics": TASK_MANAGER,
    "/jobs/:job/metrics": JOB,
    "/jobs/:job/vertices/:vertex/subtasks/:subtask/metrics": SUBTASK,
}
