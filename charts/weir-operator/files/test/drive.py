"""``helm test``: makes a StreamJob, waits until a checkpoint of it has completed, and takes it away again.

python drive.py STREAMJOB.json SECONDS
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from kubernetes import client, config

GROUP, VERSION, PLURAL = "weir.dev", "v1alpha1", "streamjobs"


def main(path: str, seconds: float) -> int:
    """The exit code: 0 if a checkpoint completed and the job went."""
    with open(path) as file:
        job = json.load(file)
    config.load_incluster_config()
    jobs = Jobs(client.CustomObjectsApi(), job["metadata"]["namespace"], job["metadata"]["name"])
    deadline = time.monotonic() + seconds
    jobs.delete(deadline)
    try:
        jobs.create(job)
    except client.ApiException as error:
        say(
            f"the API server refuses the StreamJob: {json.loads(error.body or '{}').get('message', error.reason)}"
        )
        return 1
    try:
        done = jobs.wait_for_checkpoint(deadline)
    finally:
        gone = jobs.delete(deadline + 60)
    return 0 if done and gone else 1


class Jobs:
    """One StreamJob by its name."""

    def __init__(self, api: client.CustomObjectsApi, namespace: str, name: str) -> None:
        self._api, self._where, self._name = api, (GROUP, VERSION, namespace, PLURAL), name

    def create(self, job: dict[str, Any]) -> None:
        """Make it."""
        self._api.create_namespaced_custom_object(*self._where, job)
        say(f"created StreamJob {self._name}")

    def wait_for_checkpoint(self, deadline: float) -> bool:
        """Whether one completed in time; what changes is printed."""
        shown = ""
        while time.monotonic() < deadline:
            status = (self._read() or {}).get("status") or {}
            last = status.get("lastCheckpoint") or {}
            if last:
                say(f"checkpoint {last.get('id')} completed: {last.get('path')}")
                return True
            now = f"{status.get('phase')}: {reasons(status)}"
            if now != shown:
                say(now)
                shown = now
            time.sleep(1)
        say("no checkpoint completed in time")
        return False

    def delete(self, deadline: float) -> bool:
        """Whether it is gone; it is deleted if it is there."""
        asked = False
        while self._read() is not None:
            if time.monotonic() > deadline:
                say(f"StreamJob {self._name} is still there")
                return False
            if not asked:
                self._api.delete_namespaced_custom_object(*self._where, self._name)
                asked = True
            time.sleep(0.5)
        if asked:
            say(f"StreamJob {self._name} is gone")
        return True

    def _read(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.get_namespaced_custom_object(*self._where, self._name)
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        return found


def reasons(status: dict[str, Any]) -> str:
    """Conditions, as people read them."""
    conditions = status.get("conditions") or []
    return "; ".join(
        f"{c['type']}={c['status']} {c.get('reason', '')} {c.get('message', '')}" for c in conditions
    )


def say(line: str) -> None:
    """Print it at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
