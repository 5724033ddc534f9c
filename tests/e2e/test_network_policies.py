"""A job runs, is upgraded and loses a pod while its NetworkPolicies are enforced, and connections that they do not list are dropped (R43)."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.cluster import pods
from tests.cluster.enforcing import Enforcing
from tests.cluster.native import NativeCluster
from tests.cluster.watching import Resource
from tests.e2e import exactness
from tests.e2e.stage import Stage
from weir_operator.resources import labels, places

ROWS = 100_000
#: Asks all at once, since what is dropped is answered by nobody.
KNOCK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def knock(address):
    host, port = address.rsplit(':', 1)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except TimeoutError:
        return 'dropped'
    except ConnectionRefusedError:
        return 'nobody listens'
    return 'open'
with ThreadPoolExecutor(16) as pool:
    print(json.dumps(dict(zip(sys.argv[1:], pool.map(knock, sys.argv[1:])))))
"""
LISTENING = """
import json
lines = [line.split() for file in ('tcp', 'tcp6') for line in list(open(f'/proc/net/{file}'))[1:]]
local = [line[1].split(':') for line in lines if line[3] == '0A']
print(json.dumps(sorted({int(port, 16) for host, port in local if not host.endswith(('7F', '01000000'))})))
"""


def test_a_job_lives_under_its_policies_and_what_they_do_not_list_is_dropped(stage: Stage) -> None:
    provider = stage.cluster.provider
    if not isinstance(provider, NativeCluster):
        pytest.skip("policies are enforced by us in a native cluster only")
    stage.apply(visitor(stage, "stranger"), visitor(stage, "client", **{labels.REST_CLIENT: "true"}))
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts")
    running = ("wait", "--for=condition=Ready", "pod/stranger", "pod/client", "--timeout=120s")
    stage.kubectl(*running)
    before = doors(stage, run=1)
    assert set(knocked(stage, "stranger", before).values()) == {"open"}, "nothing is enforced yet"

    with Enforcing(stage.cluster, provider, stage.namespace) as enforcing:
        closed(stage, enforcing, run=1)
        assert knocked(stage, "stranger", before) == dict.fromkeys(before, "dropped")
        rest = f"{address(stage, 'jobmanager', run=1)}:{places.REST}"
        assert knocked(stage, "client", before) == dict.fromkeys(before, "dropped") | {rest: "open"}

        # Pods that come now find each other, the store and the operator; what may not reach them does not.
        stage.apply(stage.counting("counts", version=2, rows=ROWS, rate=100))
        stage.wait_job("counts", lambda job: job["status"]["run"] == 2, "the savepoint is there")
        stage.wait_condition("counts", "Ready")
        stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
        closed(stage, enforcing, run=2)
        stage.lose("counts", "taskmanager", stage.kill)
        stage.wait_condition("counts", "Ready")
        closed(stage, enforcing, run=2)
        after = doors(stage, run=2)
        assert not set(after) & set(before)
        assert knocked(stage, "stranger", after) == dict.fromkeys(after, "dropped")

    rows = stage.output("counts")
    assert {line["version"] for line in rows} == {1, 2}
    assert exactness.faults(rows) == []


def visitor(stage: Stage, name: str, **marks: str) -> Resource:
    """A pod that only waits to be asked to knock somewhere."""
    wait = ["python", "-c", "import signal; signal.pause()"]
    found = pods.pod(name, stage.namespace, stage.images.weir, wait)
    found["metadata"]["labels"] = marks
    found["spec"]["terminationGracePeriodSeconds"] = 0
    return found


def address(stage: Stage, component: str, run: int) -> str:
    [pod] = stage.pods_of("counts", component, run)
    return str(pod["status"]["podIP"])


def doors(stage: Stage, run: int) -> list[str]:
    """Where the job's pods listen: the JobManager's REST and RPC, and whatever the TaskManager's workers have."""
    jobmanager, taskmanager = (address(stage, component, run) for component in ("jobmanager", "taskmanager"))
    [pod] = stage.pods_of("counts", "taskmanager", run)
    said = stage.kubectl("exec", pod["metadata"]["name"], "--", "python", "-c", LISTENING)
    ports = json.loads(said)
    assert len(ports) >= 2, "each worker has a port for rows"
    known = [f"{jobmanager}:{port}" for port in (places.REST, places.RPC)]
    return [*known, *(f"{taskmanager}:{port}" for port in ports)]


def knocked(stage: Stage, pod: str, at: list[str]) -> Mapping[str, str]:
    """What became of a connection from the pod to each address."""
    found: Mapping[str, str] = json.loads(stage.kubectl("exec", pod, "--", "python", "-c", KNOCK, *at))
    return found


def closed(stage: Stage, enforcing: Enforcing, run: int) -> None:
    """Until the nodes know of the run's pods."""
    known = [address(stage, component, run) for component in ("jobmanager", "taskmanager")]
    stranger = stage.pods.now["stranger"]["status"]["podIP"]
    enforcing.wait(
        lambda rules: not any(rules.passes(stranger, target, places.REST) for target in known),
        f"nobody else reaches {', '.join(known)}",
    )
