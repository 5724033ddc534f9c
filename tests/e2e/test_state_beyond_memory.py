"""State of four times the memory that its pod may have: on RocksDB checkpoints complete, no pod is killed for memory, and it is there after a loss (A16)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage, run_of
from tests.e2e.stream_jobs import Resource

ROWS, RATE = 1_000_000, 500
MB = 1024 * 1024
#: MB: what RocksDB may hold of it, what the pod may hold in all, and how large it must become.
CACHE, LIMIT = 32, 320
STATE = 4 * LIMIT
#: Bytes that each row leaves.
BALLAST = 40_000


def test_state_of_four_times_the_memory_of_its_pod_is_checkpointed_and_restored(stage: Stage) -> None:
    job = stage.counting(
        "counts",
        rows=ROWS,
        rate=RATE,
        further=(f"ballast={BALLAST}",),
        job={"parallelism": 1},
        stateBackend={"type": "RocksDB", "incremental": True},
        config={"state.backend.rocksdb.memory.fixed-per-slot": f"{CACHE}Mi"},
        checkpoints={"interval": "5s", "timeout": "120s", "retained": 1},
        taskManager={"slots": 1, "localStorage": "8Gi", "resources": {"limits": {"memory": f"{LIMIT}Mi"}}},
    )
    stage.apply(job)
    stage.wait_condition("counts", "Progressing", "False")  # stable
    [taskmanager] = stage.pods_of("counts", "taskmanager")
    [container] = taskmanager["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == f"{LIMIT}Mi"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True

    holds(stage, STATE)
    stage.lose("counts", "taskmanager", stage.kill)
    stage.wait_condition("counts", "Ready")
    holds(stage, STATE + LIMIT)
    ended = {
        (container["name"], ended["reason"])
        for _, _, pod in list(stage.pods.history)
        if run_of(pod, "counts")
        for container in pod["status"].get("containerStatuses", [])
        for when in ("state", "lastState")
        if (ended := container.get(when, {}).get("terminated"))
    }
    assert "OOMKilled" not in {reason for _, reason in ended}, ended
    assert "rootCause" not in stage.status("counts")
    assert stage.runs("counts") == [1]
    assert exactness.faults(stage.output("counts")) == []


def holds(stage: Stage, size: int) -> int:
    """The number of a checkpoint with so many MB of state."""

    def good(job: Resource) -> int | None:
        last = job["status"].get("lastCheckpoint", {})
        return int(last["id"]) if last.get("bytes", 0) >= size * MB else None

    return stage.wait_job("counts", good, f"a checkpoint holds {size} MB")
