"""With ``jobs.tls`` the pods of a job know each other by certificate, and who has none of the run is not let in (DESIGN 10).

A run that lives for long gets other certificates while it works (scorecard row R35).
"""

from __future__ import annotations

from tests.e2e import exactness, helm, installing
from tests.e2e.stage import Stage
from tests.support.waiting import wait_for

ROWS = 9000
#: More than the scenario waits for.
ROTATED_ROWS = 100_000
#: After 80 s another slot is issued, after 100 s it is presented: the kubelets of our cluster bring it within ten.
LIFETIME = "2m"
ROTATED_S = 300.0
#: What a pod sees of a port that wants a certificate, with none or with those in a folder.
KNOCK = """
import socket, ssl, sys
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
context.set_alpn_protocols(['h2'])
with socket.create_connection((sys.argv[1], 6123), timeout=20) as plain:
    if len(sys.argv) > 2:
        context.load_cert_chain(sys.argv[2] + '/tls.crt', sys.argv[2] + '/tls.key')
    try:
        with context.wrap_socket(plain) as secure:
            secure.settimeout(20)
            secure.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + bytes(9))
            print('answered' if secure.recv(100) else 'closed')
    except (ssl.SSLError, ConnectionError) as error:
        print('refused', error)
"""


def test_pods_of_a_job_talk_by_certificate_and_others_are_refused(stage: Stage) -> None:
    settings = helm.values(stage.namespace, stage.images.weir, jobs={"tls": True}, operator=installing.QUICK)
    helm.install(stage.cluster, stage.namespace, settings)
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts")
    jobmanager = stage.pod_of("counts", "jobmanager")
    arguments = stage.pods.now[jobmanager]["spec"]["containers"][0]["args"]
    assert "--tls-dir" in arguments

    said = stage.kubectl("exec", jobmanager, "--", "python", "-c", KNOCK, "127.0.0.1")
    assert said.startswith(("refused", "closed")), said
    assert "wrong version" not in said.lower().replace("_", " "), f"it is a port with TLS: {said}"

    stage.lose("counts", "taskmanager", stage.kill)

    # Somebody deletes them, and all pods begin anew without.
    stage.kubectl("delete", *secrets(stage))
    pods = stage.pods_of("counts")
    for pod in pods:
        stage.kill(pod["metadata"]["name"])
    stage.wait_recovered("counts", pods)
    assert secrets(stage) == ["secret/counts-1-tls-a"]
    stage.wait_condition("counts", "Ready", reason="Finished")
    assert exactness.faults(stage.output("counts"), ROWS) == []


def test_certificates_are_rotated_while_the_job_runs_and_the_old_ones_are_refused(stage: Stage) -> None:
    settings = helm.values(
        stage.namespace,
        stage.images.weir,
        jobs={"tls": True, "tlsLifetime": LIFETIME},
        operator=installing.QUICK,
    )
    helm.install(stage.cluster, stage.namespace, settings)
    stage.apply(stage.counting("counts", rows=ROTATED_ROWS, rate=100))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts")
    pods = {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}
    taskmanager = stage.pod_of("counts", "taskmanager")
    stage.kubectl("exec", taskmanager, "--", "cp", "-rL", "/etc/weir/tls/a", "/tmp/stolen")

    wait_for(
        lambda: secrets(stage) == ["secret/counts-1-tls-b"],
        lambda: f"slot b alone is left: {secrets(stage)}",
        ROTATED_S,
        poll=1.0,
    )
    assert "CertificatesRotated" in {event["reason"] for event in stage.events("counts")}
    jobmanager = stage.pod_of("counts", "jobmanager")
    wait_for(
        lambda: {slots(stage, pod) for pod in (jobmanager, taskmanager)} == {"b"},
        "kubelets have taken the old slot away",
        poll=1.0,
    )

    address = stage.pods.now[jobmanager]["status"]["podIP"]

    def knock(folder: str) -> str:
        return stage.kubectl("exec", taskmanager, "--", "python", "-c", KNOCK, address, folder)

    assert knock("/etc/weir/tls/b").strip() == "answered"
    assert knock("/tmp/stolen").startswith(("refused", "closed"))

    stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
    assert {pod["metadata"]["uid"] for pod in stage.pods_of("counts")} == pods
    restarts = [
        container["restartCount"]
        for pod in stage.pods_of("counts")
        for container in pod["status"]["containerStatuses"]
    ]
    assert set(restarts) == {0}
    assert stage.status("counts")["epoch"] == 1

    # Whoever comes now connects with the new ones alone.
    stage.lose("counts", "taskmanager", stage.kill)
    assert exactness.faults(stage.output("counts")) == []


def slots(stage: Stage, pod: str) -> str:
    """What a pod has of them."""
    return " ".join(stage.kubectl("exec", pod, "--", "ls", "/etc/weir/tls").split())


def secrets(stage: Stage) -> list[str]:
    """Names of the Secrets with certificates."""
    found = stage.kubectl("get", "secrets", "-o", "name").split()
    return [name for name in found if "-tls-" in name]
