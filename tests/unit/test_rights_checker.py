"""The judge of the operator's rights names what nobody needs, what came another way, and what no rule allows."""

from __future__ import annotations

from typing import Any

from tests.e2e.rights import RARELY, Asked, Right, faults, granted

ROLE = {
    "kind": "Role",
    "metadata": {"name": "weir-operator", "namespace": "e2e"},
    "rules": [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create", "patch"]},
        {"apiGroups": ["weir.dev"], "resources": ["streamjobs/status"], "verbs": ["update"]},
    ],
}
REVISIONS = {
    **ROLE,
    "rules": [{"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": ["get", "delete"]}],
}
OTHERS = {"kind": "Role", "metadata": {"name": "weir-operator-test"}, "rules": [{"verbs": ["get"]}]}
RIGHTS = set(granted([ROLE, OTHERS]))


def entry(verb: str, resource: str, group: str = "apps", *, by: str = "weir-operator", **more: Any) -> Any:
    reason = f'RBAC: allowed by RoleBinding "weir-operator/e2e" of Role "{by}" to ServiceAccount "weir-operator/e2e"'
    resource, _, subresource = resource.partition("/")
    ref = {"resource": resource, "apiGroup": group, **({"subresource": subresource} if subresource else {})}
    return {
        "verb": verb,
        "user": {"username": "system:serviceaccount:e2e:weir-operator"},
        "objectRef": ref,
        "responseStatus": {"code": 200},
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": reason},
        **more,
    }


def asked(*entries: Any) -> Asked:
    taken = Asked()
    for found in entries:
        taken.take(found)
    return taken


def judged(*entries: Any) -> list[str]:
    return faults(RIGHTS, asked(*entries))


ALL = (
    entry("get", "deployments"),
    entry("patch", "deployments", responseStatus={"code": 201}),
    entry("update", "streamjobs/status", "weir.dev"),
)


def test_rights_that_were_all_needed_are_no_fault_and_what_was_applied_anew_needed_two() -> None:
    assert len(RIGHTS) == 4
    assert judged(*ALL) == []
    assert judged(ALL[0], entry("patch", "deployments"), ALL[2]) == [
        "no scenario needs: create deployments.apps (weir-operator)"
    ]


def test_a_right_that_no_request_needed_is_named() -> None:
    assert judged(*ALL[:2]) == ["no scenario needs: update streamjobs/status.weir.dev (weir-operator)"]


def test_a_right_that_is_explained_may_go_unused() -> None:
    [explained] = [right for right in granted([REVISIONS]) if right.verb == "get"]
    assert explained[1:] in RARELY
    assert faults({*RIGHTS, *granted([REVISIONS])}, asked(*ALL)) == [
        "no scenario needs: delete controllerrevisions.apps (weir-operator)"
    ]


def test_what_another_account_did_needs_no_right_of_the_operator() -> None:
    person = {"username": "admin"}
    assert judged(*ALL[1:], {**ALL[0], "user": person}) == [
        "no scenario needs: get deployments.apps (weir-operator)"
    ]


def test_a_request_that_another_role_let_pass_is_named_with_it() -> None:
    [fault] = judged(*ALL, entry("delete", "pods", "", by="cluster-admin"))
    assert "delete pods" in fault
    assert "cluster-admin" in fault


def test_a_refused_request_is_a_fault_unless_a_rule_allows_it() -> None:
    refused = {"annotations": {"authorization.k8s.io/decision": "forbid"}}
    assert judged(*ALL, entry("get", "deployments", **refused)) == [], "its namespace was ending"
    assert judged(*ALL, entry("get", "secrets", "", **refused)) == ["no rule allows: get secrets"]


def test_the_role_of_the_charts_own_test_is_not_the_operators() -> None:
    assert {right for right in RIGHTS if right.role != "weir-operator"} == set()
    assert Right("weir-operator", "apps", "deployments", "create") in RIGHTS
