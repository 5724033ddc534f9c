"""Specs with one fault each, and how it is told: by the operator always, and by the API server where CEL or a schema can say it."""

from __future__ import annotations

from typing import Any

JOB = {"entrypoint": "flights.job:build"}
STORED = {"checkpoints": "s3://weir/checkpoints", "savepoints": "s3://weir/savepoints"}


def pod(**said: Any) -> dict[str, Any]:
    return {"taskManager": {"pod": said}}


def volume(**said: Any) -> dict[str, Any]:
    return pod(volumes=[{"name": "v", "mountPath": "/data", **said}])


def variable(**said: Any) -> dict[str, Any]:
    return pod(env=[{"name": "A", **said}])


#: By what is wrong: a spec, and the beginning of its only fault.
TABLE: dict[str, tuple[dict[str, Any], str]] = {
    "unknown section": ({"checkpoint": {}}, "spec.checkpoint: unknown field; did you mean checkpoints?"),
    "like nothing": ({"stateBackend": {"zzz": 1}}, "spec.stateBackend.zzz: unknown field; known are type, incremental"),
    "missing": ({"job": {}}, "spec.job.entrypoint: is missing; it is required"),
    "wrong type": ({"job": {**JOB, "parallelism": "4"}}, "spec.job.parallelism: got '4', expected a whole number"),
    "a boolean for a number": ({"taskManager": {"slots": True}}, "spec.taskManager.slots: got true, expected a whole number"),
    "too small": ({"taskManager": {"slots": 0}}, "spec.taskManager.slots: got 0, expected at least 1"),
    "too large": ({"checkpoints": {"retained": 1001}}, "spec.checkpoints.retained: got 1001, expected at most 1000"),
    "no such word": ({"deletionPolicy": "Keep"}, "spec.deletionPolicy: got 'Keep', expected one of Retain, Savepoint, Purge"),
    "no duration": ({"checkpoints": {"timeout": "7d"}}, "spec.checkpoints.timeout: got '7d'; expected a duration such as"),
    "too short": ({"checkpoints": {"timeout": "5ms"}}, "spec.checkpoints.timeout: got '5ms'; expected a duration of at least 10ms"),
    "no size": ({"taskManager": {"localStorage": "ten"}}, "spec.taskManager.localStorage: got 'ten'; expected a size"),
    "no entry point": ({"job": {"entrypoint": "build"}}, "spec.job.entrypoint: got 'build'; expected package.module:function"),
    "parallelism over the maximum": (
        {"job": {**JOB, "parallelism": 64, "maxParallelism": 32}},
        "spec.job.parallelism: parallelism is 64, but maxParallelism is 32; lower the first",
    ),
    "parallelism over the default": (
        {"job": {**JOB, "parallelism": 129}},
        "spec.job.parallelism: parallelism is 129, but maxParallelism is 128 (the default)",
    ),
    "code in two places": (
        {"job": {**JOB, "code": {"configMap": "c", "uri": "s3://bucket/a.zip", "sha256": "0" * 64}}},
        "spec.job.code: code has both configMap (c) and uri (s3://bucket/a.zip); keep the one",
    ),
    "an archive without hash": (
        {"job": {**JOB, "code": {"uri": "s3://bucket/a.zip"}}},
        "spec.job.code.sha256: code.uri s3://bucket/a.zip has no code.sha256",
    ),
    "a hash without archive": ({"job": {**JOB, "code": {"sha256": "0" * 64}}}, "spec.job.code.sha256: code.sha256 is the hash"),
    "checkpoints to nowhere": (
        {"checkpoints": {"interval": "10s"}, "storage": {"savepoints": "s3://weir/savepoints"}},
        "spec.storage.checkpoints: checkpoints.interval is 10s, but storage.checkpoints does not say where",
    ),
    "savepoints to nowhere": (
        {"checkpoints": {"interval": "10s"}, "storage": {"checkpoints": "s3://weir/checkpoints"}},
        "spec.storage.savepoints: storage.savepoints does not say where savepoints go",
    ),
    "suspended to nowhere": ({"job": {**JOB, "state": "Suspended"}}, "spec.storage.savepoints: "),
    "a schedule to nowhere": ({"snapshots": {"schedule": "@daily"}}, "spec.storage.savepoints: "),
    "a last savepoint to nowhere": ({"deletionPolicy": "Savepoint"}, "spec.storage.savepoints: "),
    "a folder of this machine": (
        {"storage": {"checkpoints": "checkpoints"}},
        "spec.storage.checkpoints: got 'checkpoints'; expected s3://bucket/folder or file:///folder (relative folders",
    ),
    "another store": ({"storage": {"checkpoints": "gs://bucket/x"}}, "spec.storage.checkpoints: got 'gs://bucket/x'; expected s3://"),
    "a password in a place": ({"storage": {"savepoints": "s3://user:pw@bucket/x"}}, "spec.storage.savepoints: got "),
    "a password in a URL": ({"storage": {"s3": {"endpoint": "http://u:p@minio:9000"}}}, "spec.storage.s3.endpoint: got "),
    "incremental in memory": (
        {"stateBackend": {"incremental": True}},
        "spec.stateBackend.incremental: incremental checkpoints need type RocksDB, but type is Memory (the default)",
    ),
    "a timeout for nothing": (
        {"checkpoints": {"alignedTimeout": "1s"}},
        "spec.checkpoints.alignedTimeout: alignedTimeout is 1s, but unaligned is false (the default)",
    ),
    "unaligned at least once": ({"checkpoints": {"unaligned": True, "mode": "AtLeastOnce"}}, "spec.checkpoints.unaligned: "),
    "a field of another strategy": (
        {"restart": {"attempts": 3}},
        "spec.restart.attempts: attempts belongs to strategy FixedDelay, but strategy is ExponentialDelay",
    ),
    "a delay that grows": ({"restart": {"strategy": "ExponentialDelay", "delay": "1s"}}, "spec.restart.delay: delay belongs to strategy FixedDelay or FailureRate"),
    "two to start from": (
        {"restore": {"from": "s3://bucket/s", "snapshot": "s"}},
        "spec.restore: restore has both from (s3://bucket/s) and snapshot (s); keep the one",
    ),
    "a nonce for nothing": ({"restore": {"nonce": 2}}, "spec.restore.nonce: restore.nonce 2 asks to start from"),
    "an age that is not asked for": (
        {"upgrade": {"maxCheckpointAge": "1h"}},
        "spec.upgrade.maxCheckpointAge: maxCheckpointAge belongs to mode LastState, but mode is Savepoint (the default)",
    ),
    "no schedule": (
        {"storage": STORED, "snapshots": {"schedule": "0 25 * * *"}},
        "spec.snapshots.schedule: got '0 25 * * *'; hour is '25'; expected numbers from 0 to 23",
    ),
    "a schedule that never comes": (
        {"storage": STORED, "snapshots": {"schedule": "0 0 30 2 *"}},
        "spec.snapshots.schedule: got '0 0 30 2 *'; '0 0 30 2 *' never comes",
    ),
    "a setting that is no value": ({"config": {"heartbeat.interval": {"a": 1}}}, "spec.config.heartbeat.interval: expected one value"),
    "more asked for than allowed": (
        {"jobManager": {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}}}},
        "spec.jobManager.resources.requests: requests ({'cpu': '1500m'}) are above limits ({'cpu': '1'})",
    ),
    "no amount": ({"jobManager": {"resources": {"limits": {"cpu": "two"}}}}, "spec.jobManager.resources.limits.cpu: got 'two'; expected an amount"),
    "a container of its own": (pod(containers=[]), "spec.taskManager.pod.containers: unknown field; known are labels, annotations"),
    "another account": (pod(serviceAccountName="admin"), "spec.taskManager.pod.serviceAccountName: unknown field"),
    "the node's network": (pod(hostNetwork=True), "spec.taskManager.pod.hostNetwork: unknown field"),
    "rights": (pod(securityContext={"privileged": True}), "spec.taskManager.pod.securityContext: unknown field"),
    "a node by name": (pod(nodeName="n"), "spec.taskManager.pod.nodeName: unknown field"),
    "a folder of the node": (volume(hostPath={"path": "/"}, emptyDir={}), "spec.taskManager.pod.volumes[0].hostPath: unknown field"),
    "a driver": (volume(csi={"driver": "x"}, emptyDir={}), "spec.taskManager.pod.volumes[0].csi: unknown field"),
    "a token": (
        volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}, "secret": {"name": "s"}}]}),
        "spec.taskManager.pod.volumes[0].projected.sources[0].serviceAccountToken: unknown field; known are configMap, secret",
    ),
    "no source": (volume(), "spec.taskManager.pod.volumes[0]: a volume has exactly one of configMap, secret"),
    "two sources": (volume(emptyDir={}, secret={"secretName": "s"}), "spec.taskManager.pod.volumes[0]: a volume has exactly one of"),
    "a place of ours": (volume(mountPath="/etc/weir/secret", emptyDir={}), "spec.taskManager.pod.volumes[0].mountPath: got '/etc/weir/secret'; would hide"),
    "a place above ours": (volume(mountPath="/var", emptyDir={}), "spec.taskManager.pod.volumes[0].mountPath: got '/var'; would hide"),
    "a way out": (volume(mountPath="/data/../etc", emptyDir={}), "spec.taskManager.pod.volumes[0].mountPath: got '/data/../etc'"),
    "a way out of a volume": (volume(subPath="../x", emptyDir={}), "spec.taskManager.pod.volumes[0].subPath: got '../x'"),
    "a name of ours": (volume(name="weir-state", emptyDir={}), "spec.taskManager.pod.volumes[0].name: got 'weir-state'; names that begin with weir-"),
    "one name twice": (
        pod(volumes=[{"name": "v", "mountPath": f"/{place}", "emptyDir": {}} for place in "ab"]),
        "spec.taskManager.pod.volumes: two of volumes have the same name",
    ),
    "one place twice": (
        pod(volumes=[{"name": name, "mountPath": "/a", "emptyDir": {}} for name in "ab"]),
        "spec.taskManager.pod.volumes: two of volumes have the same mountPath",
    ),
    "credentials by hand": (variable(name="AWS_SECRET_ACCESS_KEY", value="x"), "spec.taskManager.pod.env[0].name: got 'AWS_SECRET_ACCESS_KEY'; variables that begin"),
    "a setting by hand": (variable(name="WEIR_HEARTBEAT_INTERVAL", value="1s"), "spec.taskManager.pod.env[0].name: got "),
    "two values": (variable(value="x", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}), "spec.taskManager.pod.env[0]: a variable has value or valueFrom, not both; A has both"),
    "two sources of a value": (
        variable(valueFrom={"secretKeyRef": {"name": "s", "key": "k"}, "fieldRef": {"fieldPath": "metadata.name"}}),
        "spec.taskManager.pod.env[0].valueFrom: valueFrom is exactly one of",
    ),
    "a secret elsewhere": (
        variable(valueFrom={"secretKeyRef": {"name": "s", "namespace": "kube-system", "key": "k"}}),
        "spec.taskManager.pod.env[0].valueFrom.secretKeyRef.namespace: unknown field",
    ),
    "a label of ours": (pod(labels={"weir.dev/job": "other"}), "spec.taskManager.pod.labels: weir.dev/job: labels that begin with"),
    "no label": (pod(labels={"a b": "c"}), "spec.taskManager.pod.labels: 'a b' is no key"),
    "no value of a label": (pod(labels={"a": "b c"}), "spec.taskManager.pod.labels: 'b c' is no value of a label"),
    "less confined": (
        pod(annotations={"container.apparmor.security.beta.kubernetes.io/taskmanager": "unconfined"}),
        "spec.taskManager.pod.annotations: container.apparmor.security.beta.kubernetes.io/taskmanager: annotations that begin with",
    ),
    "another network": (pod(annotations={"k8s.v1.cni.cncf.io/networks": "x"}), "spec.taskManager.pod.annotations: "),
    "pods elsewhere": (
        pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a", "namespaceSelector": {}}]}}),
        "spec.taskManager.pod.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespaceSelector: unknown field; known are labelSelector, topologyKey",
    ),
    "a priority of the cluster": (pod(priorityClassName="system-node-critical"), "spec.taskManager.pod.priorityClassName: got 'system-node-critical'"),
}  # fmt: skip

#: What CEL cannot say, or not at a bearable cost; the operator's condition does.
ONLY_THE_OPERATOR = {
    "no schedule", "a schedule that never comes", "a setting that is no value", "more asked for than allowed", "no label",
    "no value of a label", "one place twice",
}  # fmt: skip

SNAPSHOTS: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "spec: a snapshot has either job (one is taken) or external"),
    "both": ({"job": "a", "external": "s3://bucket/s"}, "spec: a snapshot has either job (one is taken) or external"),
    "a path of another": ({"path": "s3://bucket/a", "external": "s3://bucket/s"}, "spec.path: path says where"),
    "what is not ours": ({"dispose": True, "external": "s3://bucket/s"}, "spec.dispose: dispose deletes the files with the resource, but s3://bucket/s was not made"),
    "another store": ({"external": "http://bucket/s"}, "spec.external: got 'http://bucket/s'; expected s3://"),
}  # fmt: skip
