"""Admission policies beside the CRDs, in CEL and without a webhook: who may name which Secrets, and warnings.

A StreamJob runs code with the Secrets, ConfigMaps and claims that it names. So who writes one has to have the right to read each of
them, or the verb ``use`` on a Secret; without that, the right to create StreamJobs would be the right to read everything in
the namespace. What is not a fault but seldom meant, or out of date, is answered with a Warning.
"""

from __future__ import annotations

from typing import Any

import yaml

from weir_operator.models.checks import quoted
from weir_operator.models.crd import HEAD
from weir_operator.models.stream_job import GROUP

#: References that are looked at; a job with more is refused. Each name costs once, whatever the number of its references.
MOST_SECRETS = 24
MOST_CONFIG_MAPS = 16
MOST_CLAIMS = 8

#: Settings that a field of the StreamJob says; the operator looks there only.
FIELDS_OF_SETTINGS = {
    "parallelism.default": "job.parallelism",
    "pipeline.max-parallelism": "job.maxParallelism",
    "execution.checkpointing.interval": "checkpoints.interval",
    "execution.checkpointing.timeout": "checkpoints.timeout",
    "execution.checkpointing.num-retained": "checkpoints.retained",
    "state.checkpoints.dir": "storage.checkpoints",
    "state.savepoints.dir": "storage.savepoints",
    "taskmanager.numberOfTaskSlots": "taskManager.slots",
}

_PODS = "[object.spec.?jobManager.?pod.orValue({}), object.spec.?taskManager.?pod.orValue({})]"


def _of_both(field: str) -> str:
    return " + ".join(f"variables.pods[{n}].?{field}.orValue([])" for n in (0, 1))


def _from_env(source: str) -> str:
    return f"variables.env.filter(e, has(e.valueFrom) && has(e.valueFrom.{source})).map(e, e.valueFrom.{source}.name)"


def _from_volumes(source: str, name: str) -> str:
    return f"variables.volumes.filter(v, has(v.{source})).map(v, v.{source}.{name})"


def _from_projected(source: str) -> str:
    """Names of a list of lists; there is no other way to flatten one."""
    named = f"v.projected.sources.filter(s, has(s.{source})).map(s, s.{source}.name).join(',')"
    return f"variables.volumes.filter(v, has(v.projected)).map(v, {named}).join(',').split(',')"


_VARIABLES = {
    "pods": _PODS,
    "env": _of_both("env"),
    "volumes": _of_both("volumes"),
    "secrets": "(" + " + ".join((
        "[object.spec.?storage.?s3.?credentialsSecret.orValue('')]",
        _from_env("secretKeyRef"),
        _from_volumes("secret", "secretName"),
        _from_projected("secret"),
        f"({_of_both('imagePullSecrets')}).map(s, s.name)",
    )) + ").filter(name, name != '')",
    "configMaps": "(" + " + ".join((
        "[object.spec.job.?code.?configMap.orValue('')]",
        _from_env("configMapKeyRef"),
        _from_volumes("configMap", "name"),
        _from_projected("configMap"),
    )) + ").filter(name, name != '')",
    "claims": _from_volumes("persistentVolumeClaim", "claimName"),
}  # fmt: skip


def _may_name(variable: str, resource: str, verbs: tuple[str, ...], most: int) -> list[dict[str, Any]]:
    """One rule a position: the server bounds what one rule may ask."""
    listed = f"variables.{variable}"
    found: list[dict[str, Any]] = [
        {
            "expression": f"{listed}.size() <= {most}",
            "message": f"names more than {most} {resource}; put them together",
        }
    ]
    for n in range(most):
        name = f"{listed}[{n}]"
        asked = f"authorizer.group('').resource('{resource}').namespace(request.namespace).name({name})"
        allowed = " || ".join(f"{asked}.check('{verb}').allowed()" for verb in verbs)
        text = quoted(
            f"names %s of {resource}, which you may not {' or '.join(verbs)}; ask for that right, or name another"
        )
        found.append(
            {
                "expression": f"{listed}.size() <= {n} || {listed}.indexOf({name}) < {n} || {allowed}",
                "messageExpression": f"{text}.format([{listed}.size() <= {n} ? '' : {name}])",
                "reason": "Forbidden",
            }
        )
    return found


def references(group: str = GROUP) -> list[dict[str, Any]]:
    """The policy about what a StreamJob names, and its binding."""
    rules = [
        *_may_name("secrets", "secrets", ("get", "use"), MOST_SECRETS),
        *_may_name("configMaps", "configmaps", ("get",), MOST_CONFIG_MAPS),
        *_may_name("claims", "persistentvolumeclaims", ("get",), MOST_CLAIMS),
    ]
    return _policy(f"references.{group}", group, _VARIABLES, rules, "Deny")


def warnings(group: str = GROUP) -> list[dict[str, Any]]:
    """The policy that warns, and its binding."""
    table = ", ".join(f"{quoted(key)}: {quoted(field)}" for key, field in FIELDS_OF_SETTINGS.items())
    variables = {"fields": f"{{{table}}}", "config": "object.spec.?config.orValue({})"}
    listed = "variables.config.filter(key, key in variables.fields).map(key, key + ' (spec.' + variables.fields[key] + ')').join(', ')"
    rules = [
        {
            "expression": "!variables.config.exists(key, key in variables.fields)",
            "messageExpression": f"'spec.config is deprecated for settings that have a field, where the operator does not look for them: ' + {listed}",
        },
        {
            "expression": "object.spec.?upgrade.?mode.orValue('') != 'Stateless'",
            "message": "spec.upgrade.mode is Stateless: each new version starts empty, and what was counted so far is given up",
        },
        {
            "expression": "object.spec.?restore.?policy.orValue('') != 'Fresh'",
            "message": "spec.restore.policy is Fresh: state that an earlier job of this name left is not used",
        },
        {
            "expression": "object.spec.?deletionPolicy.orValue('') != 'Purge'",
            "message": "spec.deletionPolicy is Purge: when this resource is deleted, its checkpoints and savepoints are too",
        },
    ]
    return _policy(f"warnings.{group}", group, variables, rules, "Warn")


def text() -> str:
    """What `make crds` writes of both."""
    made = yaml.safe_dump_all([*references(), *warnings()], sort_keys=False, width=120)
    return f"{HEAD}{made}"


def _policy(
    name: str, group: str, variables: dict[str, str], rules: list[dict[str, Any]], action: str
) -> list[dict[str, Any]]:
    api = "admissionregistration.k8s.io/v1"
    metadata = {"name": name, "labels": {"app.kubernetes.io/part-of": "weir"}}
    resources = {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["streamjobs"],
    }
    changed = {
        "name": "spec-changed",
        "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec",
    }
    spec = {
        "failurePolicy": "Fail" if action == "Deny" else "Ignore",
        "matchConstraints": {"resourceRules": [resources]},
        "matchConditions": [changed],
        "variables": [{"name": key, "expression": text} for key, text in variables.items()],
        "validations": rules,
    }
    bound = {"policyName": name, "validationActions": [action]}
    return [
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata, "spec": bound},
    ]
