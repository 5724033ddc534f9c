"""The ``restricted`` pod security profile and what we promise beyond it, as a checker that knows nothing of our renderer.

After Kubernetes' Pod Security Standards; the real admission plugin judges the same pods in the end-to-end tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Volume types of the restricted profile.
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_REFUSED_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"


def violations(template: Mapping[str, Any]) -> list[str]:
    """What is wrong with a pod or a pod template; nothing is as it should be."""
    return [*_of_pod(template), *_of_volumes(template["spec"]), *_of_containers(template["spec"])]


def containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"], *spec.get("ephemeralContainers", [])]


def _of_pod(template: Mapping[str, Any]) -> Iterator[str]:
    spec = template["spec"]
    for field in (
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "nodeName",
        "serviceAccountName",
        "hostUsers",
        "runtimeClassName",
    ):
        if spec.get(field):
            yield f"{field} is set"
    if spec.get("automountServiceAccountToken") is not False:
        yield "a token may be mounted"
    if spec["securityContext"].get("sysctls"):
        yield "sysctls are set"
    for key in template["metadata"].get("annotations", {}):
        if key.startswith(_REFUSED_ANNOTATION):
            yield f"annotation {key} loosens AppArmor"


def _of_volumes(spec: Mapping[str, Any]) -> Iterator[str]:
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if len(kinds) > 1 or not kinds <= _VOLUMES:
            yield f"volume {volume['name']} is {sorted(kinds)}"
        for source in volume.get("projected", {}).get("sources", []):
            if "serviceAccountToken" in source:
                yield f"volume {volume['name']} brings a token"


def _of_containers(spec: Mapping[str, Any]) -> Iterator[str]:
    for container in containers(spec):
        name, own = container["name"], container.get("securityContext", {})
        context = {**spec["securityContext"], **own}
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield f"{name} may gain privileges"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name} has capabilities"
        if context.get("runAsNonRoot") is not True or context.get("runAsUser", 1) == 0:
            yield f"{name} may be root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name} is not confined by seccomp"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{name} may write its root"
        for resource in ("cpu", "memory", "ephemeral-storage"):
            if not container["resources"].get("limits", {}).get(resource):
                yield f"{name} has no limit of {resource}"
            if not container["resources"].get("requests", {}).get(resource):
                yield f"{name} has no request of {resource}"
        for port in container.get("ports", []):
            if port.get("hostPort"):
                yield f"{name} takes a port of the node"


def inconsistencies(template: Mapping[str, Any]) -> list[str]:
    """Where a pod contradicts itself, so that the API server would refuse it."""
    spec, found = template["spec"], []
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    found += [f"volume {name} twice" for name in volumes if volumes.count(name) > 1]
    for container in containers(spec):
        paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        found += [f"path {path} twice" for path in paths if paths.count(path) > 1]
        found += [
            f"mount of {mount['name']}, which is no volume"
            for mount in container.get("volumeMounts", [])
            if mount["name"] not in volumes
        ]
        variables = [variable["name"] for variable in container.get("env", [])]
        found += [f"variable {name} twice" for name in variables if variables.count(name) > 1]
    return found
