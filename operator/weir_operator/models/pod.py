"""What a user may say about pods: an allow-list all the way down, never a whole PodSpec.

What is not here cannot be asked for: privileges, other users, ServiceAccounts, node names, host paths and namespaces,
containers, objects of other namespaces. The operator's own fields are merged last.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from annotated_types import MaxLen, MinLen
from pydantic import Field
from pydantic.alias_generators import to_camel

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import Check, DefaultText, MapKey, Rule, matches
from weir_operator.models.label_texts import ARE_ANNOTATIONS
from weir_operator.models.scheduling import Affinity, Labels, Toleration, TopologySpread
from weir_operator.models.texts import PriorityClass, Reference
from weir_operator.models.values import Quantity, amount
from weir_operator.models.volumes import Volume

#: Labels that are the operator's.
RESERVED_LABELS = ("weir.dev/", "app.kubernetes.io/managed-by")
#: Annotations that are the operator's, or that would change how a pod is confined.
RESERVED_ANNOTATIONS = (
    "weir.dev/",
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
    "kubernetes.io/",
    "k8s.v1.cni.cncf.io/",
)
#: Variables that the operator sets, or that the engine reads.
RESERVED_VARIABLES = ("WEIR_", "AWS_", "PYTHONHASHSEED", "POD_")


def _no_key_begins(taken: tuple[str, ...], what: str) -> Check:
    listed = ", ".join(f"'{start}'" for start in taken)
    message = f"{what} that begin with {', '.join(taken)} are the operator's or decide how a pod is confined; choose other keys"

    def holds(given: Any) -> bool:
        refused = [key for key in given if key.startswith(taken)]
        if refused:
            raise ValueError(f"{', '.join(refused)}: {message}")
        return True

    return Check(message, f"self.all(key, ![{listed}].exists(taken, key.startsWith(taken)))", holds)


def _distinct(field: str, attribute: str, of: str) -> Rule:
    """A rule that no two items of a list of the pod have the same; the API server says it by the list's keys."""

    def holds(pod: Any) -> bool:
        values = [getattr(item, attribute) for item in getattr(pod, field)]
        return len(values) == len(set(values))

    name = to_camel(field)
    return Rule(f"two of {name} have the same {of}; keep one or change it", None, holds, at=name)


def _over_limits(resources: Any) -> list[str]:
    limits = resources.limits
    return [
        name for name, asked in resources.requests.items() if name in limits and _more(asked, limits[name])
    ]


def _more(asked: int | str, limit: int | str) -> bool:
    try:
        return amount(asked) > amount(limit)
    except ValueError:  # which of them is no amount is told by a rule of its own
        return False


class Resources(SpecModel):
    """Compute resources of each container."""

    rules: ClassVar = (
        Rule(
            "requests ({requests}) are above limits ({limits}); lower the first or raise the second",
            None,
            lambda resources: not _over_limits(resources),
            at="requests",
        ),
    )

    limits: Annotated[dict[str, Quantity], MaxLen(16)] = Field(
        default={}, description="The most that it may use: {cpu: 2, memory: 4Gi}."
    )
    requests: Annotated[dict[str, Quantity], MaxLen(16), DefaultText("limits")] = Field(
        default={}, description="What it is given at least: {cpu: 500m, memory: 2Gi}."
    )


class KeyReference(SpecModel):
    """One key of a Secret or ConfigMap of the same namespace."""

    name: Reference = Field(description="Name of the object.")
    key: Annotated[str, MinLen(1), MaxLen(253)] = Field(description="Key whose value is taken.")
    optional: bool = Field(
        default=False, description="Start without it if it is missing; otherwise pods wait for it."
    )


#: Fields of the pod that a job may read.
POD_FIELDS = (
    "metadata.annotations['...']",
    "metadata.labels['...']",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "status.hostIP",
    "status.podIP",
)
FieldPath = Annotated[
    str,
    MinLen(1),
    MaxLen(256),
    matches(
        r"metadata[.](name|namespace|uid)|metadata[.](labels|annotations)\['[^']+'\]|spec[.]nodeName|status[.](podIP|hostIP)",
        f"expected one of {', '.join(POD_FIELDS)}",
    ),
]


class FieldReference(SpecModel):
    """A field of the pod itself."""

    field_path: FieldPath = Field(description=f"One of {', '.join(POD_FIELDS)}.")


class ResourceFieldReference(SpecModel):
    """A resource of the container itself."""

    resource: Annotated[
        str,
        MaxLen(64),
        matches(
            "(limits|requests)[.](cpu|memory|ephemeral-storage)",
            "expected limits or requests of cpu, memory or ephemeral-storage, such as limits.memory",
        ),
    ] = Field(description="Resource, such as limits.memory.")
    divisor: Annotated[Quantity | None, DefaultText("1")] = Field(
        default=None, description="Unit of the value, such as 1Mi."
    )


class EnvVarSource(SpecModel):
    """Where a variable's value comes from."""

    rules: ClassVar = (
        Rule(
            "valueFrom is exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef; keep the one that is meant",
            "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef), has(self.resourceFieldRef)].filter(given, given).size() == 1",
            lambda source: (
                [
                    source.secret_key_ref,
                    source.config_map_key_ref,
                    source.field_ref,
                    source.resource_field_ref,
                ].count(None)
                == 3
            ),
        ),
    )

    secret_key_ref: KeyReference | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="A key of a ConfigMap.")
    field_ref: FieldReference | None = Field(default=None, description="A field of the pod.")
    resource_field_ref: ResourceFieldReference | None = Field(
        default=None, description="A resource of the container."
    )


class EnvVar(SpecModel):
    """An environment variable."""

    rules: ClassVar = (
        Rule(
            "a variable has value or valueFrom, not both; {name} has both",
            "!(has(self.value) && has(self.valueFrom))",
            lambda variable: variable.value is None or variable.value_from is None,
        ),
    )

    name: Annotated[
        str,
        MinLen(1),
        MaxLen(253),
        matches("[a-zA-Z_][a-zA-Z0-9_]*", "expected letters, digits and '_', not beginning with a digit"),
        Check(
            f"variables that begin with {', '.join(RESERVED_VARIABLES)} are the operator's; use storage.s3, config or another name",
            f"![{', '.join(repr(start) for start in RESERVED_VARIABLES)}].exists(taken, self.startsWith(taken))",
            lambda name: not name.startswith(RESERVED_VARIABLES),
        ),
    ] = Field(description="Name of the variable.")
    value: Annotated[Annotated[str, MaxLen(8192)] | None, DefaultText("valueFrom, or empty")] = Field(
        default=None, description="Its value. No secrets: use valueFrom."
    )
    value_from: EnvVarSource | None = Field(default=None, description="Where its value comes from.")


class LocalReference(SpecModel):
    """An object of the same namespace."""

    name: Reference = Field(description="Name of the object.")


class ImagePullPolicy(StrEnum):
    """When the image is pulled."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Pod(SpecModel):
    """What a user may say about pods."""

    rules: ClassVar = (
        _distinct("env", "name", "name"),
        _distinct("volumes", "name", "name"),
        _distinct("volumes", "mount_path", "mountPath"),
        _distinct("image_pull_secrets", "name", "name"),
    )

    labels: Annotated[Labels, _no_key_begins(RESERVED_LABELS, "labels")] = Field(
        default={}, description="Labels beside the operator's own."
    )
    annotations: Annotated[
        dict[str, Annotated[str, MaxLen(4096)]],
        MaxLen(32),
        ARE_ANNOTATIONS,
        _no_key_begins(RESERVED_ANNOTATIONS, "annotations"),
    ] = Field(default={}, description="Annotations beside the operator's own.")
    env: Annotated[tuple[EnvVar, ...], MaxLen(64), MapKey("name")] = Field(
        default=(), description="Environment variables of the containers."
    )
    volumes: Annotated[
        tuple[Volume, ...],
        MaxLen(16),
        MapKey("name"),
    ] = Field(default=(), description="Volumes, each with its mount.")
    node_selector: Labels = Field(default={}, description="Labels that a node must have.")
    tolerations: Annotated[tuple[Toleration, ...], MaxLen(16)] = Field(
        default=(), description="Taints that pods may live with."
    )
    affinity: Affinity | None = Field(default=None, description="Where pods are scheduled.")
    topology_spread_constraints: Annotated[tuple[TopologySpread, ...], MaxLen(8)] = Field(
        default=(), description="How evenly pods are spread."
    )
    priority_class_name: Annotated[PriorityClass | None, DefaultText("that of the cluster")] = Field(
        default=None, description="Priority class of the pods."
    )
    image_pull_policy: Annotated[
        ImagePullPolicy | None, DefaultText("IfNotPresent, Always for the tag latest")
    ] = Field(default=None, description="When the image is pulled: Always, IfNotPresent or Never.")
    image_pull_secrets: Annotated[tuple[LocalReference, ...], MaxLen(8), MapKey("name")] = Field(
        default=(), description="Secrets with which the image is pulled."
    )
