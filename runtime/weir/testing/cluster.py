"""Runs a whole job to its end on a local cluster of real processes, for a test: checkpoints come often, restarts at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Final, TypeAlias

from weir.config import SettingValue, setting_text
from weir.errors import JobFailed, UserError
from weir.local.cluster import LocalCluster
from weir.local.script import reason_of
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus

_SETTINGS: Final[Mapping[str, SettingValue]] = {
    "execution.checkpointing.interval": "200ms",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": 20,
    "restart-strategy.fixed-delay.delay": "50ms",
}

#: A function at the top of a module, or ``"module:function"``.
Build: TypeAlias = Callable[..., None] | str


def run_job(
    build: Build,
    args: Sequence[object] = (),
    *,
    folder: str | os.PathLike[str],
    parallelism: int = 1,
    settings: Mapping[str, SettingValue] | None = None,
    timeout: float = 120.0,
    cluster: LocalCluster | None = None,
) -> JobStatus:
    """Run a job to its end, and return its status (``restarts``, ``records_in``, ``failures``, ...).

    ``build`` is a function of a module, or ``"module:function"``; workers import it, so what it shares with the test is
    ``args`` (as texts) and files. Checkpoints lie in ``folder``. ``settings`` win over those made for tests (a checkpoint
    each 200 ms, 20 restarts). After ``timeout`` seconds the job is cancelled. ``cluster``: one that runs, and goes on
    running; without it the job gets one of its own. Raises ``JobFailed``, or ``TimeoutError``.
    """
    spec = JobSpec(
        name="test",
        entrypoint=_entrypoint(build),
        args=tuple(map(str, args)),
        python_path=tuple(entry or os.getcwd() for entry in sys.path),
        parallelism=parallelism,
        overrides={key: setting_text(key, value) for key, value in {**_SETTINGS, **(settings or {})}.items()},
        checkpoint_storage=f"file://{os.path.abspath(folder)}/checkpoints",
    )
    with cluster_for_tests() if cluster is None else nullcontext(cluster) as running:
        job = running.submit(spec)
        try:
            status = running.wait(job, timeout=timeout)
        except TimeoutError:
            running.cancel(job)
            raise
    if status.state is not JobState.FINISHED:
        raise JobFailed(reason_of(status))
    return status


def cluster_for_tests() -> LocalCluster:
    """Not started; its processes log errors only, or what ``WEIR_LOG_LEVEL`` says."""
    return LocalCluster(environment={"WEIR_LOG_LEVEL": os.environ.get("WEIR_LOG_LEVEL", "ERROR")})


def _entrypoint(build: Build) -> str:
    """Raises ``UserError`` for a function that a worker cannot import."""
    if isinstance(build, str):
        return build
    name = getattr(build, "__qualname__", "")
    if "<" in name or not name:
        raise UserError(
            f"run_job() cannot name {build!r} to its workers; define the function at the top of a module"
        )
    return f"{build.__module__}:{name}"
