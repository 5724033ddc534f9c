"""Watches that stay open and tell nothing: the operator's canary does not come back, its container is begun anew, and jobs are reconciled again (O38)."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cluster.watching import Resource
from tests.e2e import exactness, installing, silencing
from tests.e2e.stage import Stage

ROWS = 100_000
PORT = 8001
#: The canary may be silent for a minute; then the probe has to fail three times, ten seconds apart.
BEGUN_ANEW_S = 240.0
KUBECONFIG = f"""
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{PORT}"}}}}]
users: [{{name: me, user: {{}}}}]
"""


def test_an_operator_whose_watches_are_silent_is_begun_anew(stage: Stage) -> None:
    behind_a_proxy(stage)
    stage.apply(stage.counting("counts", rows=ROWS, rate=50, job={"parallelism": 1}))
    stage.wait_condition("counts", "Progressing", "False")  # stable
    number = stage.wait_checkpoint("counts")
    pods = {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}
    name, restarts = operator(stage)["metadata"]["name"], restarted(operator(stage))

    stage.kubectl("exec", name, "-c", "proxy", "--", "touch", "/tmp/silent")
    stage.wait_pods(
        lambda found: name in found and restarted(found[name]) > restarts,
        "kubelet begins the operator's container anew",
        BEGUN_ANEW_S,
    )
    complaints = [event["message"] for event in stage.events(name) if event["reason"] == "Unhealthy"]
    assert any("503" in message for message in complaints), complaints
    stage.kubectl("exec", name, "-c", "proxy", "--", "rm", "/tmp/silent")
    assert restarted(operator(stage)) == restarts + 1
    installing.wait_ready(stage.cluster, stage.namespace)

    stage.edit("counts", {"job": {"parallelism": 2}})
    stage.wait_job(
        "counts",
        lambda job: (
            job["status"].get("observedGeneration") == job["metadata"]["generation"]
            and job["status"].get("parallelism") == 2
        ),
        "the edit is carried out",
    )
    stage.wait_checkpoint("counts", after=max(number, stage.status("counts")["lastCheckpoint"]["id"]))
    assert pods <= {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}, "the job was not touched"
    assert stage.runs("counts") == [1]
    assert exactness.faults(stage.output("counts")) == []


def behind_a_proxy(stage: Stage) -> None:
    """Another container in the operator's pod, and the operator reaches the API server through it alone."""
    files = {"silencing.py": Path(silencing.__file__).read_text(), "kubeconfig": KUBECONFIG}
    stage.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "proxy"}, "data": files})
    spec = stage.get("deployment", installing.NAME)["spec"]["template"]["spec"]
    [container] = spec["containers"]
    mounts = [
        {"name": "proxy", "mountPath": "/etc/proxy"},
        *(mount for mount in container["volumeMounts"] if mount["name"] == "tmp"),
    ]
    proxy = {
        "name": "proxy",
        "image": container["image"],
        "imagePullPolicy": container["imagePullPolicy"],
        "command": ["python", "/etc/proxy/silencing.py", str(PORT)],
        "resources": {"limits": {"memory": "128Mi"}},
        "securityContext": container["securityContext"],
        "volumeMounts": mounts,
    }
    through = {
        "name": container["name"],
        "env": [
            {"name": "KUBECONFIG", "value": "/etc/proxy/kubeconfig"},
            # Lists would bring to light what watches do not tell.
            {"name": "WEIR_OPERATOR_RESYNC", "value": "1h"},
        ],
        "volumeMounts": [{"name": "proxy", "mountPath": "/etc/proxy"}],
    }
    volume = {"name": "proxy", "configMap": {"name": "proxy"}}
    pod = {"containers": [through, proxy], "volumes": [volume]}
    patch = json.dumps({"spec": {"template": {"spec": pod}}})
    stage.kubectl("patch", "deployment", installing.NAME, "--type=strategic", "-p", patch)
    installing.wait_ready(stage.cluster, stage.namespace)
    stage.wait_pods(lambda _: len(operators(stage)) == 1, "the operator without the proxy is gone")


def operators(stage: Stage) -> list[Resource]:
    return [
        pod
        for pod in stage.pods.now.values()
        if pod["metadata"].get("labels", {}).get("app.kubernetes.io/name") == installing.NAME
    ]


def operator(stage: Stage) -> Resource:
    [found] = operators(stage)
    return found


def restarted(pod: Resource) -> int:
    """How often the operator's container was begun anew."""
    states = pod["status"].get("containerStatuses", [])
    return sum(int(state["restartCount"]) for state in states if state["name"] == "operator")
