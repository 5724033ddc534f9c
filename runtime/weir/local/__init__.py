"""A cluster on one machine: the same JobManager and TaskManager processes as anywhere, started, watched and ended here.

``weir run``, ``env.execute()`` in a script, notebooks and tests use :class:`LocalCluster`. It is not a second engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weir.api.executor import JobExecutionResult
    from weir.local.cluster import LocalCluster
    from weir.operators.job_code import JobCode

__all__ = ["LocalCluster", "execute_script"]


def execute_script(job: JobCode, name: str) -> JobExecutionResult:
    """Run the job that the running script recorded, to its end. Raises ``JobFailed``."""
    from weir.local.script import execute

    return execute(job, name)


def __getattr__(name: str) -> Any:
    """Load ``LocalCluster`` when it is asked for: it brings gRPC."""
    if name != "LocalCluster":
        raise AttributeError(f"module 'weir.local' has no attribute {name!r}")
    from weir.local.cluster import LocalCluster

    return LocalCluster
