"""``env.execute()`` in a script that is run by plain ``python job.py``: the same job, on a local cluster.

The script itself is the job's entry point: every worker runs it again up to ``execute()``. So what the script did
before that call happens there too, and what comes after it happens once, here, when the job has finished.
"""

from __future__ import annotations

import os
import sys

from weir.api.executor import JobExecutionResult
from weir.config import settings_from_environment
from weir.errors import JobFailed, JobLoadError
from weir.local.cluster import LocalCluster
from weir.operators.job_code import JobCode
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus


def execute(_job: JobCode, name: str) -> JobExecutionResult:
    """Run the running script's job to its end. Raises ``JobFailed``, or ``JobLoadError`` where there is no script."""
    spec = script_spec(name)
    with LocalCluster(environment={"WEIR_LOG_LEVEL": os.environ.get("WEIR_LOG_LEVEL", "ERROR")}) as cluster:
        status = cluster.wait(cluster.submit(spec))
    if status.state is not JobState.FINISHED:
        raise JobFailed(reason_of(status))
    duration = (status.ended_at_ms or status.started_at_ms) - status.started_at_ms
    return JobExecutionResult(status.job_id, status.name, duration)


def script_spec(name: str) -> JobSpec:
    """The running script as a job."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None:
        raise JobLoadError(
            "env.execute() needs a script: every worker runs it again. From a shell or a notebook, write the job as a "
            "function build(env) in a module and run it by `weir run module:build`"
        )
    return JobSpec(
        name=name,
        entrypoint=os.path.abspath(script),
        args=tuple(sys.argv[1:]),
        python_path=tuple(entry or os.getcwd() for entry in sys.path[:1]),
        defaults=settings_from_environment(os.environ),
    )


def reason_of(status: JobStatus) -> str:
    """Why a job did not finish, in one line."""
    if status.failure is not None:
        return status.failure.message
    return f"job {status.name} is {status.state.value}"
