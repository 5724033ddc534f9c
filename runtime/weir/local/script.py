"""``env.execute()`` in a script that is run by plain ``python job.py``: the same job, on a local cluster.

The script itself is the job's entry point: every worker runs it again up to ``execute()``. So what the script did
before that call happens there too, and what comes after it happens once, here, when the job has finished.
"""

from __future__ import annotations

import inspect
import os
import sys
from types import FrameType

from weir.api.executor import JobExecutionResult
from weir.config import environment_layer, file_layer, merged, places
from weir.errors import JobFailed, JobLoadError
from weir.local.cluster import LocalCluster
from weir.local.one_process import run_in_one_process
from weir.operators.job_code import JobCode
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus


def execute(job: JobCode, name: str) -> JobExecutionResult:
    """Run the running script's job to its end. Raises ``JobFailed``, or ``JobLoadError`` where there is no script."""
    spec = script_spec(name)
    if is_debugged() or os.environ.get("WEIR_ONE_PROCESS"):
        # Breakpoints are to be met here, not in worker processes.
        return _result(run_in_one_process(spec, job))
    with LocalCluster(environment={"WEIR_LOG_LEVEL": os.environ.get("WEIR_LOG_LEVEL", "ERROR")}) as cluster:
        return _result(cluster.wait(cluster.submit(spec)))


def _result(status: JobStatus) -> JobExecutionResult:
    if status.state is not JobState.FINISHED:
        raise JobFailed(reason_of(status))
    duration = (status.ended_at_ms or status.started_at_ms) - status.started_at_ms
    return JobExecutionResult(status.job_id, status.name, duration)


def is_debugged() -> bool:
    """Whether a debugger runs this thread: it traces, or (``python -m pdb``) its own frames are on the stack."""
    if sys.gettrace() is not None or "pydevd" in sys.modules:
        return True
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") in ("bdb", "pdb"):
            return True
        frame = frame.f_back
    return False


def script_spec(name: str) -> JobSpec:
    """The running script as a job."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is None:
        raise JobLoadError(
            "env.execute() needs a script: every worker runs it again. From a shell or a notebook, write the job as a "
            "function build(env) in a module and run it by `weir run module:build`"
        )
    below = (file_layer(os.environ), environment_layer(os.environ))
    return JobSpec(
        name=name,
        entrypoint=os.path.abspath(script),
        args=tuple(sys.argv[1:]),
        python_path=tuple(entry or os.getcwd() for entry in sys.path[:1]),
        defaults=merged(below),
        places=places(below),
    )


def reason_of(status: JobStatus) -> str:
    """Why a job did not finish, in one line."""
    if status.failure is not None:
        return status.failure.message
    return f"job {status.name} is {status.state.value}"
