"""Loads and plans a job without running its code in the JobManager: a child process does, and hands data back.

The child (``python -m weir.api.planner``) gets the job specification on stdin and writes the logical graph to
a pipe. It has a process group and a time limit of its own, so that code which hangs, crashes or ends the
interpreter is a clear failure of that job and nothing else. Settings are merged and the plan is made here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

import structlog

from weir.config import JobOptions, merge_settings
from weir.config.options import MAX_PARALLELISM, PARALLELISM
from weir.errors import FailureKind, UserError, WeirError
from weir.graph import codec as graph_codec
from weir.graph.logical import LogicalGraph
from weir.graph.physical import PhysicalPlan
from weir.graph.plan import plan_with, slots_required
from weir.graph.validation import check_guarantees
from weir.ids import SubtaskId
from weir.jobmanager.lifecycle.regions import Region, regions_of
from weir.rpc import codec, lifeline
from weir.rpc.messages import Failure, JobSpec
from weir.state.backend import check_available

log = structlog.get_logger()

_TAIL: Final = 4096
#: Seconds until a child that was killed is not waited for any longer.
_PATIENCE: Final = 2.0


@dataclass(frozen=True)
class PlannedJob:
    """A job that can be deployed."""

    spec: JobSpec
    #: All settings that are set, merged by origin; workers make the same plan from them.
    settings: dict[str, str]
    options: JobOptions
    plan: PhysicalPlan
    slots: int
    #: What of the settings the job's code set, whether it won or not.
    code: Mapping[str, str] = field(default_factory=dict)

    @property
    def regions(self) -> tuple[Region, ...]:
        """What fails and restarts on its own."""
        return regions_of(self.plan)

    @property
    def subtasks(self) -> frozenset[SubtaskId]:
        """Every subtask of the plan."""
        vertices = self.plan.vertices
        return frozenset(SubtaskId(vertex.id, i) for vertex in vertices for i in range(vertex.parallelism))


class PlanningError(WeirError):
    """The job cannot be loaded or planned; ``failure`` says why, to people."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


#: How a job is planned; the simulation and tests bring their own.
Planner = Callable[[JobSpec], Awaitable[PlannedJob]]


async def plan_job(spec: JobSpec) -> PlannedJob:
    """Load and plan ``spec`` by a child process. Raises ``PlanningError``; cancelled, it ends the child."""
    try:
        before = JobOptions.from_settings(merge_settings(_defaults(spec), {}, spec.overrides, spec.places))
    except UserError as error:
        raise _refused(error) from error
    answer = await _load(spec, before.process.load_timeout)
    if isinstance(answer, graph_codec.LoadFailed):
        raise PlanningError(
            Failure(kind=answer.kind, message=answer.message, traceback=answer.traceback, restartable=False)
        )
    return planned(spec, answer.graph)


def planned(spec: JobSpec, graph: LogicalGraph) -> PlannedJob:
    """Merge the settings and make the plan. Raises ``PlanningError``."""
    try:
        settings = merge_settings(_defaults(spec), graph.settings, spec.overrides, spec.places)
        options = JobOptions.from_settings(settings)
        check_guarantees(graph, options.checkpoints)
        check_available(options.state_backend.type)
        plan = plan_with(graph, options.pipeline)
    except UserError as error:
        raise _refused(error) from error
    return PlannedJob(spec, dict(settings), options, plan, slots_required(plan), dict(graph.settings))


def _defaults(spec: JobSpec) -> dict[str, str]:
    """The lowest layer; it always names both parallelisms, so that every process plans with the same."""
    shape = {PARALLELISM.key: str(spec.parallelism), MAX_PARALLELISM.key: str(spec.max_parallelism)}
    return {**shape, **spec.defaults}


def _refused(error: UserError) -> PlanningError:
    return PlanningError(Failure(kind=FailureKind.USER, message=str(error), restartable=False))


async def _load(spec: JobSpec, timeout: float) -> graph_codec.LoadAnswer:
    with tempfile.TemporaryFile() as errors:
        # Started on the main thread: the child's lifeline follows the thread that made it.
        process, answers = _start(errors)
        talking = asyncio.ensure_future(asyncio.to_thread(_talk, process, answers, codec.encode(spec)))
        ending = asyncio.ensure_future(asyncio.to_thread(process.wait))
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(ending)
        except TimeoutError as error:
            message = (
                f"{spec.entrypoint}: loading the job did not end within {timeout:g} s (job.load-timeout); its code hangs "
                "in an import or in build(), or needs a longer job.load-timeout"
            )
            raise _failed(message, errors) from error
        finally:
            # Also what its code forked: that would keep the pipe open.
            _end(process)
            done, _ = await asyncio.wait({talking, ending}, timeout=_PATIENCE)
        output = talking.result() if talking in done else b""
        sys.stderr.write(_tail(errors))
        answer = graph_codec.parse_load_answer(output)
        if answer is None:
            raise _failed(
                f"{spec.entrypoint}: {_ending(process.returncode)} while the job was loaded", errors
            )
        return answer


def _start(errors: IO[bytes]) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    answers, theirs = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "weir.rpc.lifeline", "weir.api.planner", str(theirs)],
            env=lifeline.environment(PYTHONHASHSEED="0"),
            stdin=subprocess.PIPE,
            stderr=errors,
            pass_fds=(theirs,),
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    return process, os.fdopen(answers, "rb")


def _talk(process: subprocess.Popen[bytes], answers: IO[bytes], request: bytes) -> bytes:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(request)
    with answers:
        return answers.read()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child, and whatever its code started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _failed(message: str, errors: IO[bytes]) -> PlanningError:
    failure = Failure(kind=FailureKind.USER, message=message, traceback=_tail(errors), restartable=False)
    return PlanningError(failure)


def _ending(status: int) -> str:
    if status < 0:
        return f"its process was killed by {signal.Signals(-status).name}"
    return f"its code ended the process with exit code {status} (os._exit or sys.exit)"


def _tail(errors: IO[bytes]) -> str:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _TAIL))
    return errors.read().decode(errors="replace")
