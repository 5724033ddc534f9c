"""JobManagers and TaskManagers as pods start them: each by itself, nobody replaces what ends.

So a frozen process stays frozen until the test wakes it, which ``weir run`` would not allow: it ends what it replaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.support.processes import JobFolder, Started, write_resource
from weir.cli.resource import read_target
from weir.ids import JobId
from weir.rpc.requests import Submit

HEARTBEATS = {"WEIR_HEARTBEAT_INTERVAL": "200ms", "WEIR_HEARTBEAT_TIMEOUT": "4s"}


class JobManager(Started, JobFolder):
    """One that starts the job of a StreamJob, or goes on with it."""

    def __init__(
        self,
        folder: Path,
        resource: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        name: str = "jobmanager",
        recovers: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """``recovers``: the id of a job that ran under a JobManager that is gone."""
        spec = read_target(str(write_resource(folder, resource))).spec
        job_id = None if recovers is None else JobId(recovers)
        submit = Submit(job=spec, recovering=recovers is not None, job_id=job_id)
        job_file = folder / f"{name}.json"
        job_file.write_bytes(msgspec.json.encode(submit))
        arguments = ["weir.jobmanager", "--port", "0", "--job", str(job_file), *options]
        super().__init__(folder, arguments, {**HEARTBEATS, **(environment or {})}, name)

    def address(self) -> str:
        """Where it listens, as soon as it does."""
        pattern = r"event='jobmanager listens' address='([^']+)'"
        return self.wait(lambda: re.search(pattern, self.stderr), "the JobManager listens").group(1)


class TaskManager(Started):
    """One with a number of slots."""

    def __init__(
        self,
        folder: Path,
        address: str,
        slots: int = 1,
        name: str = "taskmanager",
        within: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        arguments = [
            "weir.taskmanager",
            "--jobmanager",
            address,
            "--slots",
            str(slots),
            "--id",
            name,
            *options,
        ]
        super().__init__(folder, arguments, None, name, within=within)
