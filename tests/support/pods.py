"""What pods of a StreamJob run, as processes of this machine: the documents that the operator writes, and the two commands."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes import JobFolder, Started, read_fence
from tests.support.waiting import wait_for

UID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
JOB = UID.replace("-", "")
OPERATOR = "shop/reference"
#: No test freezes a pod, and a busy machine does.
HEARTBEATS = {"WEIR_HEARTBEAT_INTERVAL": "200ms", "WEIR_HEARTBEAT_TIMEOUT": "60s"}


def in_cluster(resource: Mapping[str, Any], uid: str = UID) -> dict[str, Any]:
    """The StreamJob as it is in a cluster."""
    name = resource["metadata"]["name"]
    return {**resource, "metadata": {"name": name, "namespace": "shop", "uid": uid}}


class JobManagerPod(Started, JobFolder):
    """The JobManager of one run."""

    def __init__(
        self,
        folder: Path,
        resource: Mapping[str, Any],
        run: int = 1,
        start: Mapping[str, Any] | None = None,
        name: str | None = None,
        environment: Mapping[str, str] | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        flags: Sequence[str] = (),
    ) -> None:
        """``start``: what the directive says besides the run; by default go on from the tail."""
        name = name or f"jm{run}"
        self.uid = resource["metadata"]["uid"].replace("-", "")
        folder.mkdir(parents=True, exist_ok=True)
        document, directive = folder / f"{name}.yaml", folder / f"{name}.start.json"
        document.write_text(yaml.safe_dump(dict(resource)))
        directive.write_text(json.dumps({"run": run, "mode": "Tail", **(start or {})}))
        arguments = ["--host", host, "--port", str(port), "--run", str(run), "--address", "127.0.0.1:0"]
        arguments += ["--resource", str(document), "--start", str(directive), *flags]
        settings = {**HEARTBEATS, **(environment or {})}
        super().__init__(folder, ["weir", "serve", "jobmanager", *arguments], settings, name)

    def job_folder(self) -> Path:
        return self.checkpoints / self.uid

    def fence(self) -> list[dict[str, Any]]:
        return read_fence(self.job_folder())

    def said(self, pattern: str) -> str:
        """The first group of what it logs, as soon as it does."""
        return self.wait(lambda: re.search(pattern, self.stderr), f"it says {pattern}").group(1)

    def address(self) -> str:
        """Where TaskManagers find it."""
        return self.said(r"event='jobmanager listens' address='([^']+)'")

    def rest(self, path: str, method: str = "GET", body: Any = None, operator: str | None = None) -> Any:
        """An answer of REST; an ``HTTPError`` has the refusal."""
        address = self.said(r"weir: REST at http://(\S+)")
        request = urllib.request.Request(f"http://{address}{path}", method=method)
        if operator is not None:
            request.add_header("Weir-Operator", operator)
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    def refusal(self, path: str, **request: Any) -> tuple[int, str]:
        """Status and message of a request that is refused."""
        try:
            answer = self.rest(path, **request)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["errors"][0]
        raise AssertionError(f"{path} was not refused: {answer}")

    def job(self) -> dict[str, Any]:
        """The job as REST shows it, as soon as it is there."""

        def found() -> dict[str, Any] | None:
            try:
                return self.rest(f"/jobs/{self.uid}")
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
                return None

        return self.wait(found, "the job is known")

    def report(self) -> dict[str, Any]:
        """What the operator is told, as soon as there is a job."""
        self.job()
        found = self.rest("/jobs/weir")
        assert found.keys() == self.rest(f"/jobs/{self.uid}/weir").keys()
        return found

    def wait_state(self, state: str) -> None:
        self.wait(lambda: self.job()["state"] == state, f"the job is {state}")

    def wait_completed(self, number: int) -> None:
        self.wait(lambda: len(self.completed()) >= number, f"{number} checkpoints are complete")

    def stop_with_savepoint(self, target: Path) -> str:
        """As the operator does it; where the savepoint is."""
        body = {"targetDirectory": str(target), "drain": False}
        trigger = self.rest(f"/jobs/{self.uid}/stop", "POST", body, OPERATOR)["request-id"]
        path = f"/jobs/{self.uid}/savepoints/{trigger}"
        done = wait_for(
            lambda: (found := self.rest(path))["status"]["id"] == "COMPLETED" and found,
            "the savepoint is there",
        )
        return str(done["operation"]["location"])


class TaskManagerPod(Started):
    """A TaskManager whose workers listen on ``host`` and advertise ``pod_ip``."""

    def __init__(
        self,
        folder: Path,
        jobmanager: str,
        slots: int = 1,
        name: str = "tm",
        pod_ip: str = "127.0.0.1",
        host: str = "127.0.0.1",
        flags: Sequence[str] = (),
    ) -> None:
        arguments = ["--jobmanager", jobmanager, "--slots", str(slots), "--host", host]
        arguments += ["--advertise", pod_ip, *flags]
        super().__init__(folder, ["weir", "serve", "taskmanager", *arguments], None, name)
