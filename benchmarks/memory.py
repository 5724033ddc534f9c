"""Memory of idle processes: JobManager, supervisor and worker of a local cluster without a job, after it settled.

``python -m benchmarks.memory`` prints resident megabytes and ends with exit code 1 above the budget.
"""

from __future__ import annotations

import sys
import time

from benchmarks.processes import rss_mb, workers
from weir.local import LocalCluster

BUDGET_MB = {"JobManager": 80, "worker": 70}
SETTLE_SECONDS = 10


def main() -> None:
    with LocalCluster(slots=2, environment={"WEIR_LOG_LEVEL": "ERROR"}) as cluster:
        deadline = time.monotonic() + 60
        while len(cluster.cluster().task_managers) < 1 or len(workers(cluster.taskmanager_pids[0])) < 2:
            if time.monotonic() > deadline:
                raise SystemExit("the cluster did not start")
            time.sleep(0.1)
        time.sleep(SETTLE_SECONDS)
        [supervisor] = cluster.taskmanager_pids
        found = {
            "JobManager": [cluster.jobmanager_pid or 0],
            "supervisor": [supervisor],
            "worker": workers(supervisor),
        }
        sizes = {name: max(rss_mb(pid) for pid in pids) for name, pids in found.items()}
    for name, size in sizes.items():
        budget = f"(budget {BUDGET_MB[name]} MB)" if name in BUDGET_MB else ""
        print(f"idle {name:12} {size:6.1f} MB resident {budget}")
    sys.exit(any(sizes[name] > budget for name, budget in BUDGET_MB.items()))


if __name__ == "__main__":
    main()
