"""``weir plan``: loads a job as the JobManager would (in a child process), plans it, and makes the plan's text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from weir.cli.resource import JobResource, read_target
from weir.errors import JobLoadError
from weir.graph.codec import to_json
from weir.graph.render import render
from weir.jobmanager.planning import PlannedJob, PlanningError, plan_job


def plan_resource(resource: JobResource) -> PlannedJob:
    """Plan a job. Raises ``JobLoadError`` when the code cannot be loaded or planned."""
    try:
        return asyncio.run(plan_job(resource.spec))
    except PlanningError as error:
        refused = JobLoadError(error.failure.message)
        refused.user_traceback = error.failure.traceback
        raise refused from None


def plan_text(
    target: str, args: Sequence[str] = (), *, json: bool = False, config: str | None = None
) -> tuple[str, tuple[str, ...]]:
    """The plan of ``FILE.yaml``, ``job.py`` or ``module:build`` as text (or JSON), and notes for stderr.

    Raises ``ConfigError`` for a wrong file, ``JobLoadError`` when the code cannot be loaded or planned.
    """
    resource = read_target(target, args, config=config)
    planned = plan_resource(resource)
    text = to_json(planned.plan) + "\n" if json else render(planned.plan)
    return text, resource.notes
