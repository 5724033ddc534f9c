"""The answer of a short-lived pod: one line of JSON in its container's termination message.

The message is at most 4096 bytes, the engine keeps its answers that short. A pod that ended without one failed; its
log's tail stands in the same place and is the reason that people see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weir_operator.observed import BucketFacts, Component, Ending, ErrandFacts, PodFacts, PreflightFacts
from weir_operator.observer.reports import restore_held, snapshot_facts


def errand_facts(purpose: str, pod: PodFacts) -> ErrandFacts:
    """What became of an errand."""
    if not pod.ended:
        return ErrandFacts(purpose=purpose, pod=pod.name, trouble=_trouble(pod))
    answer = _answer(pod)
    if answer is None:
        return ErrandFacts(purpose=purpose, pod=pod.name, ended=True, failure=_why(pod))
    error = answer.get("error")
    if error:
        return ErrandFacts(purpose=purpose, pod=pod.name, ended=True, answer=answer, failure=str(error))
    if pod.component is Component.PREFLIGHT:
        return ErrandFacts(purpose=purpose, pod=pod.name, ended=True, preflight=_preflight(answer))
    bucket = _bucket(answer) if "tail" in answer else None
    return ErrandFacts(purpose=purpose, pod=pod.name, ended=True, bucket=bucket, answer=answer)


def _answer(pod: PodFacts) -> Mapping[str, Any] | None:
    for container in pod.containers:
        if container.init or not container.exit_message:
            continue
        for line in reversed(container.exit_message.strip().splitlines()):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return None


def _why(pod: PodFacts) -> str:
    for container in pod.containers:
        if container.exit_code not in {None, 0}:
            said = (container.exit_message or "").strip()
            return f"container {container.name} ended with {container.exit_code} ({container.exit_reason}): {said}"
    return f"pod {pod.name} is {pod.phase} ({pod.reason or 'no reason given'}) and left no answer"


def _trouble(pod: PodFacts) -> str | None:
    """Why it does not run yet."""
    if pod.unschedulable is not None:
        return pod.unschedulable
    for container in pod.containers:
        if container.waiting_reason not in {None, "ContainerCreating", "PodInitializing"}:
            return f"{container.waiting_reason}: {container.waiting_message or container.name}"
    return None


def _bucket(answer: Mapping[str, Any]) -> BucketFacts:
    retained = [snapshot_facts(value) for value in answer.get("retained") or ()]
    ending = answer.get("ending")
    return BucketFacts(
        tail=int(answer["tail"]),
        last_run=answer.get("lastRun"),
        ending=Ending(ending) if ending else None,
        newest=snapshot_facts(answer.get("newest")),
        retained=tuple(found for found in retained if found is not None),
        restore_held=restore_held(answer.get("restoreBlocked")),
    )


def _preflight(answer: Mapping[str, Any]) -> PreflightFacts:
    return PreflightFacts(
        fits=bool(answer.get("fits")),
        message=str(answer.get("message") or ""),
        slots_required=answer.get("slotsRequired"),
    )
