"""What a user says about pods (``jobManager.pod``, ``taskManager.pod``), merged below what the operator says.

The model is an allow-list, so nothing privileged can be said at all, and what is ours is refused there by name. What is left to decide here is who wins: lists are
merged by their keys (variables and volumes by name, tolerations by taint, spread by topology), and where both speak of one
key the operator's entry stands, apart from scheduling, where ours are only defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weir_operator.models.pod import Pod

#: A node that does not answer is given up after this time, not after Kubernetes' five minutes.
_LOST_NODE_S = 20

#: Our volumes have names that begin so; users' must not.
OURS = "weir-"

Entry = dict[str, Any]


def labelled(pod: Pod, ours: Mapping[str, str]) -> dict[str, str]:
    """The user's labels and ours."""
    return pod.labels | dict(ours)


def annotated(pod: Pod, ours: Mapping[str, str]) -> dict[str, str]:
    """The user's annotations and ours."""
    return pod.annotations | dict(ours)


def environment(pod: Pod, ours: list[Entry]) -> list[Entry]:
    """Ours first, so that the user's may refer to them by ``$(NAME)``."""
    taken = {variable["name"] for variable in ours}
    return [*ours, *(variable.written() for variable in pod.env if variable.name not in taken)]


def volumes(pod: Pod) -> tuple[list[Entry], list[Entry]]:
    """The user's volumes and their mounts."""
    found, mounts = [], []
    for volume in pod.volumes:
        written = volume.written()
        mount = {
            "name": written.pop("name"),
            "mountPath": written.pop("mountPath"),
            "readOnly": written.pop("readOnly", False),
        }
        if "subPath" in written:
            mount["subPath"] = written.pop("subPath")
        found.append({"name": mount["name"], **written})
        mounts.append(mount)
    return found, mounts


def scheduling(pod: Pod, selector: Mapping[str, str]) -> Entry:
    """Fields of the pod's spec that say where it runs; ours are defaults, and give way."""
    said = pod.written()
    fields = {key: said[key] for key in ("nodeSelector", "affinity", "priorityClassName") if said.get(key)}
    return fields | {
        "tolerations": _tolerations(said.get("tolerations", [])),
        "topologySpreadConstraints": _spread(said.get("topologySpreadConstraints", []), selector),
    }


def _tolerations(said: list[Entry]) -> list[Entry]:
    ours = [
        {
            "key": f"node.kubernetes.io/{condition}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": _LOST_NODE_S,
        }
        for condition in ("not-ready", "unreachable")
    ]
    spoken_of = {(entry.get("key"), entry.get("effect", "NoExecute")) for entry in said}
    return [*said, *(entry for entry in ours if (entry["key"], "NoExecute") not in spoken_of)]


def _spread(said: list[Entry], selector: Mapping[str, str]) -> list[Entry]:
    over_nodes = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(selector)},
    }
    # Without a selector of its own a constraint would count no pods at all.
    theirs = [{"labelSelector": over_nodes["labelSelector"], **entry} for entry in said]
    if any(entry["topologyKey"] == over_nodes["topologyKey"] for entry in theirs):
        return theirs
    return [*theirs, over_nodes]
