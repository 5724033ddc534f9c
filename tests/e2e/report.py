"""What a person would look at when a scenario failed, as text: the jobs, the pods, the events, the ends of all logs."""

from __future__ import annotations

from tests.cluster.errors import ClusterError
from tests.e2e.stage import Stage

LINES = 40


def report(stage: Stage) -> str:
    """All that the namespace has to say; what cannot be had is said, too."""
    parts = [
        _asked(stage, "get", "streamjobs.weir.dev,streamjobsnapshots.weir.dev", "-o", "yaml"),
        _asked(stage, "get", "all,configmaps,secrets,pdb,networkpolicy,controllerrevisions", "-o", "wide"),
        _asked(stage, "get", "events", "--sort-by=.metadata.creationTimestamp"),
    ]
    for name, pod in sorted(stage.pods.now.items()):
        parts.append(_asked(stage, "describe", "pod", name))
        lines = f"--tail={LINES}"
        parts.append(_asked(stage, "logs", name, "--all-containers", "--prefix", lines))
        states = pod["status"].get("containerStatuses", [])
        if any(state.get("restartCount") for state in states):
            parts.append(_asked(stage, "logs", name, "--all-containers", "--prefix", "--previous", lines))
    if stage.operator != stage.namespace:
        chosen = ("-n", stage.operator, "-l", "app.kubernetes.io/name=weir-operator")
        parts.append(_asked(stage, "describe", "pods", *chosen))
        parts.append(_asked(stage, "logs", *chosen, f"--tail={5 * LINES}"))
    parts.append(_history(stage))
    return "\n\n".join(parts)


def _asked(stage: Stage, *arguments: str) -> str:
    title = f"$ kubectl {' '.join(arguments)}"
    try:
        return f"{title}\n{stage.kubectl(*arguments).rstrip()}"
    except ClusterError as error:
        return f"{title}\n{error}"


def _history(stage: Stage) -> str:
    """Each phase that each job went through, and each pod's coming and going, in the order of time."""
    lines = []
    last: dict[str, object] = {}
    for watch in (stage.jobs, stage.pods):
        for at, what, resource in list(watch.history):
            name = f"{watch.kind}/{resource['metadata']['name']}"
            status = resource.get("status", {})
            conditions = [f"{c['type']}={c['status']}" for c in status.get("conditions", [])]
            run, upgrade = status.get("run", ""), status.get("upgrade", {}).get("phase", "")
            state = (what == "DELETED", status.get("phase"), run, upgrade, *conditions)
            if last.get(name) != state:
                last[name] = state
                lines.append(
                    (at, f"{what} {name} {status.get('phase')} {run} {upgrade} {' '.join(conditions)}")
                )
    lines.sort()
    begin = lines[0][0] if lines else 0.0
    return "history\n" + "\n".join(f"{at - begin:8.2f} {line}" for at, line in lines)
