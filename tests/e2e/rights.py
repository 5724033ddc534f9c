"""The operator's rights beside what it asked for in all scenarios: ``python -m tests.e2e.rights``, after the last of them (R41).

Scenarios run the operator under the API server's own RBAC, with the Role that the chart renders. The audit log has each request of its
account and the Role that let it pass. A right that no scenario needed and that is not explained in ``RARELY``, a request that another role let pass, and one that no
rule allows are faults: the command names them and ends with exit code 1. Where the cluster keeps no log there is nothing to judge.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.errors import ClusterUnavailable
from tests.cluster.providing import find_provider
from tests.e2e import helm
from tests.support.helm import template

Body = dict[str, Any]
NAME = "weir-operator"
#: The Roles of the chart: in a namespace with jobs, and in its own.
ROLES = (NAME, f"{NAME}-election")
#: Group, resource and verb of rights that only chance needs here -> what else needs them.
RARELY = {
    (
        "",
        "pods",
        "get",
    ): "an errand's pod whose creation was answered 409 is looked at; tests/integration/test_operator_and_lost_answers.py",
    (
        "apps",
        "controllerrevisions",
        "get",
    ): "so is a revision; tests/integration/test_operator_and_lost_answers.py",
}
_ACCOUNT = re.compile(rf"system:serviceaccount:[^:]+:{NAME}")
_GRANTED_BY = re.compile(r' of (Cluster)?Role "([^"]+)"')


class Right(NamedTuple):
    """One verb on one resource, as a rule grants it."""

    role: str
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {what} ({self.role})"


@dataclass
class Asked:
    """What the operator asked for."""

    used: Counter[Right] = field(default_factory=Counter)
    #: (what, why it passed) of requests that roles other than the chart's let pass.
    elsewhere: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Verb and resource of requests that were refused; a namespace that ends takes the Role away before the operator.
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def take(self, entry: Body) -> None:
        """One entry of the log."""
        ref, notes = entry.get("objectRef") or {}, entry.get("annotations") or {}
        if not _ACCOUNT.fullmatch(entry["user"]["username"]) or "resource" not in ref:
            return
        resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
        group, verb = ref.get("apiGroup", ""), entry["verb"]
        reason = notes.get("authorization.k8s.io/reason", "")
        if notes.get("authorization.k8s.io/decision") != "allow":
            self.refused[group, resource, verb] += 1
            return
        by = _GRANTED_BY.search(reason)
        if by is None or by[2] not in ROLES:
            self.elsewhere[f"{verb} {resource}", reason] += 1
            return
        self.used[Right(by[2], group, resource, verb)] += 1
        if verb == "patch" and entry.get("responseStatus", {}).get("code") == 201:
            # Applying what is not there is a patch that needs the right to create, too.
            self.used[Right(by[2], group, resource, "create")] += 1


def granted(objects: Iterable[Mapping[str, Any]]) -> Iterator[Right]:
    """What the Roles of the rendered chart allow."""
    for found in objects:
        if found["kind"] == "Role" and found["metadata"]["name"] in ROLES:
            for rule in found["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        for verb in rule["verbs"]:
                            yield Right(found["metadata"]["name"], group, resource, verb)


def faults(rights: set[Right], asked: Asked) -> list[str]:
    """Everything that is wrong, a line each."""
    unused = sorted(right for right in rights - asked.used.keys() if right[1:] not in RARELY)
    wrong = [f"no scenario needs: {right}" for right in unused]
    wrong += [f"not the chart's Role let pass: {what}: {why}" for what, why in sorted(asked.elsewhere)]
    allowed = {right[1:] for right in rights}
    for group, resource, verb in sorted(asked.refused):
        if (group, resource, verb) not in allowed:
            wrong.append(f"no rule allows: {verb} {resource} {group}".rstrip())
    return wrong


def read(log: Path) -> Iterator[Body]:
    """The entries of operators' accounts."""
    with log.open() as lines:
        for line in lines:
            if f":{NAME}" in line and line.endswith("\n"):
                yield json.loads(line)


def main() -> int:
    try:
        log = find_provider().write_log
    except ClusterUnavailable:
        log = None
    if log is None:
        print(
            "rights: the cluster keeps no log of requests (a native one does), or none is up; nothing to judge"
        )
        return 0
    asked = Asked()
    for entry in read(log):
        asked.take(entry)
    if not asked.used:
        print(f"rights: no operator asked for anything in {log}")
        return 1
    rights = set(granted(template(helm.values("judged", "weir:judged")).objects))
    wrong = faults(rights, asked)
    print(*(f"rights: {text}" for text in wrong), sep="\n", end="\n" if wrong else "")
    print(
        f"rights: {asked.used.total()} requests let pass by the chart's Roles; {len(rights & asked.used.keys())} of {len(rights)} rights were needed"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
