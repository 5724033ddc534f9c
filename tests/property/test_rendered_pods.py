"""Whatever a StreamJob may say of its pods, they pass the restricted profile and keep what is ours (R40).

What the allow-list cannot express is refused by the model; the rest is drawn here, tricks first.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.pod_security import containers, inconsistencies, violations
from tests.support.stream_jobs import SETTINGS, subject
from weir_operator.errors import PermanentError
from weir_operator.observed import StartDirective, StartMode
from weir_operator.resources import errands, names, run

NAMES = st.sampled_from(["data", "models", "weir-state", "weir-tmp", "weir-job", "weir-code", "cache"])
LABELS = st.dictionaries(
    st.sampled_from(
        ["team", "weir.dev/job", "weir.dev/run", "weir.dev/component", "app.kubernetes.io/managed-by"]
    ),
    st.sampled_from(["a", "other", "1"]),
)
ANNOTATIONS = st.dictionaries(
    st.sampled_from(
        [
            "example.com/note",
            "container.apparmor.security.beta.kubernetes.io/taskmanager",
            "container.apparmor.security.beta.kubernetes.io/fetch-code",
            "seccomp.security.alpha.kubernetes.io/pod",
            "weir.dev/purpose",
            "weir.dev/resource",
        ]
    ),
    st.sampled_from(["unconfined", "x"]),
)
ENV = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(
                ["MODE", "POD_IP", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "PYTHONPATH"]
            ),
            "value": st.sampled_from(["", "x", "$(POD_IP)"]),
        }
    ),
    unique_by=lambda variable: variable["name"],
)
PATHS = st.sampled_from(
    ["/data", "/data2", "/", "/tmp", "/etc", "/etc/weir/job", "/var/lib/weir/x", "/opt/weir/jobs", "/proc"]
)
SOURCES = st.sampled_from(
    [
        {"emptyDir": {}},
        {"configMap": {"name": "c"}},
        {"secret": {"secretName": "s"}},
        {"projected": {"sources": [{"secret": {"name": "s"}}]}},
        {"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}},
    ]
)
VOLUMES = st.lists(
    st.builds(lambda name, path, source: {"name": name, "mountPath": path, **source}, NAMES, PATHS, SOURCES),
    max_size=3,
    unique_by=(lambda volume: volume["name"], lambda volume: volume["mountPath"]),
)
AMOUNTS = st.dictionaries(
    st.sampled_from(["cpu", "memory", "ephemeral-storage", "example.com/gpu"]),
    st.sampled_from([1, "100m", "2", "64Mi", "3Gi", "1e9", "1.5"]),
)
PODS = st.fixed_dictionaries(
    {},
    optional={
        "labels": LABELS,
        "annotations": ANNOTATIONS,
        "env": ENV,
        "volumes": VOLUMES,
        "priorityClassName": st.sampled_from(["streams", "system-node-critical"]),
        "imagePullPolicy": st.sampled_from(["Always", "Never"]),
        "tolerations": st.just([{"operator": "Exists"}]),
        "topologySpreadConstraints": st.just(
            [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}]
        ),
    },
)
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "pod": PODS,
        "resources": st.fixed_dictionaries({}, optional={"requests": AMOUNTS, "limits": AMOUNTS}),
    },
)
CODE = st.sampled_from([{}, {"configMap": "code"}, {"uri": "s3://bucket/a.zip", "sha256": "0" * 64}])
SPECS = st.builds(
    lambda jobmanager, taskmanager, code, s3: {
        "job": {"entrypoint": "a:b", "code": code},
        "storage": {"checkpoints": "s3://weir", **s3},
        "jobManager": jobmanager,
        "taskManager": taskmanager,
    },
    PARTS,
    PARTS,
    CODE,
    st.sampled_from([{}, {"s3": {"credentialsSecret": "keys", "endpoint": "http://minio:9000"}}]),
)


#: Where the models refuse what a pod may not say.
PODS_OF_PARTS = {("jobManager", "pod"), ("taskManager", "pod")}


def pods_of(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    of = subject(spec)
    start = StartDirective(run=3, mode=StartMode.TAIL)
    objects = run.objects(
        of, SETTINGS, revision=1, start=start, standby=False, task_managers=2, parallelism=2
    )
    templates = {o["metadata"]["name"]: o["spec"]["template"] for o in objects if o["kind"] == "Deployment"}
    sent = [errands.snapshots_pod(of, SETTINGS, "p", "sweep"), errands.preflight_pod(of, SETTINGS, "q", None)]
    return templates | {pod["metadata"]["name"]: pod for pod in sent}


def rendered_or_refused(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Nothing if it is refused, by the name of a field of ``pod``."""
    try:
        return pods_of(spec)
    except PermanentError as error:
        if not re.match(r"spec\.(jobManager|taskManager)\.pod\.", str(error)):
            raise
        return {}
    except ValidationError as error:
        if not all(fault["loc"][:2] in PODS_OF_PARTS for fault in error.errors()):
            raise
        return {}


@given(SPECS)
def test_pods_of_any_allowed_spec_pass_the_restricted_profile_and_are_consistent(
    spec: dict[str, Any],
) -> None:
    for template in rendered_or_refused(spec).values():
        assert violations(template) == []
        assert inconsistencies(template) == []


@given(SPECS)
def test_no_spec_overrides_what_is_ours(spec: dict[str, Any]) -> None:
    rendered = rendered_or_refused(spec)
    if not rendered:
        return
    template = rendered[names.taskmanager("flights", 3)]
    labels = template["metadata"]["labels"]
    assert (labels["weir.dev/job"], labels["weir.dev/run"], labels["weir.dev/component"]) == (
        "flights",
        "3",
        "taskmanager",
    )
    for container in containers(template["spec"]):
        variables = {variable["name"]: variable for variable in container["env"]}
        assert variables["POD_IP"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
        if "s3" in spec["storage"]:
            assert variables["AWS_ACCESS_KEY_ID"]["valueFrom"]["secretKeyRef"]["name"] == "keys"
            assert variables["AWS_ENDPOINT_URL"]["value"] == "http://minio:9000"
    sent = rendered[names.errand("flights", "p")]
    assert sent["metadata"]["annotations"]["weir.dev/purpose"] == "p"
