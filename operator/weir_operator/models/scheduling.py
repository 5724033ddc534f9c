"""Where pods of a job are scheduled: tolerations, affinity and spread, as Kubernetes has them but for other namespaces.

Terms about pods speak of the job's own namespace only; ``namespaces`` and ``namespaceSelector`` are left out, so that nobody's pods
are kept from nodes by a StreamJob elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MaxLen, MinLen
from pydantic import Field

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import DefaultText
from weir_operator.models.label_texts import ARE_LABELS

LabelKey = Annotated[str, MinLen(1), MaxLen(317)]
LabelValue = Annotated[str, MaxLen(63)]
Labels = Annotated[dict[str, LabelValue], MaxLen(32), ARE_LABELS]
Terms = MaxLen(16)


class Toleration(SpecModel):
    """A taint that pods may live with."""

    key: Annotated[LabelKey | None, DefaultText("all keys")] = Field(
        default=None, description="Key of the taint."
    )
    operator: Literal["Equal", "Exists"] = Field(
        default="Equal", description="Equal: the value too must be the same; Exists: any value."
    )
    value: LabelValue = Field(default="", description="Value of the taint, with Equal.")
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None, DefaultText("all effects")
    ] = Field(default=None, description="Effect of the taint.")
    toleration_seconds: Annotated[int | None, DefaultText("not set: for ever")] = Field(
        default=None, ge=0, le=2**31 - 1, description="With NoExecute: how long it is tolerated."
    )


class Expression(SpecModel):
    """One requirement on labels."""

    key: LabelKey = Field(description="Label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How the label is compared with values; Gt and Lt on nodes only."
    )
    values: Annotated[tuple[LabelValue, ...], MaxLen(32)] = Field(
        default=(), description="What it is compared with."
    )


Expressions = Annotated[tuple[Expression, ...], Terms]


class NodeSelectorTerm(SpecModel):
    """Requirements on a node; all of them hold."""

    match_expressions: Expressions = Field(description="Requirements on its labels.")


class NodeSelector(SpecModel):
    """Alternatives for a node; one of them holds."""

    node_selector_terms: Annotated[tuple[NodeSelectorTerm, ...], MinLen(1), Terms] = Field(
        description="The alternatives."
    )


class PreferredNodes(SpecModel):
    """A preference among nodes."""

    weight: int = Field(ge=1, le=100, description="What it weighs among the others.")
    preference: NodeSelectorTerm = Field(description="Which nodes.")


class NodeAffinity(SpecModel):
    """Which nodes pods go to."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="What a node must be like."
    )
    preferred_during_scheduling_ignored_during_execution: Annotated[tuple[PreferredNodes, ...], Terms] = (
        Field(default=(), description="What a node had better be like.")
    )


class LabelSelector(SpecModel):
    """Pods by their labels."""

    match_labels: Labels = Field(description="Labels with these values.")


class PodAffinityTerm(SpecModel):
    """Pods of the job's namespace, and what counts as near."""

    label_selector: Annotated[LabelSelector | None, DefaultText("no pods")] = Field(
        default=None, description="Which pods."
    )
    topology_key: LabelKey = Field(
        description="Node label that near pods have in common, such as kubernetes.io/hostname."
    )


class PreferredPods(SpecModel):
    """A preference about pods nearby."""

    weight: int = Field(ge=1, le=100, description="What it weighs among the others.")
    pod_affinity_term: PodAffinityTerm = Field(description="Which pods, and what counts as near.")


class PodAffinity(SpecModel):
    """Which pods to be near to, or far from."""

    required_during_scheduling_ignored_during_execution: Annotated[tuple[PodAffinityTerm, ...], Terms] = (
        Field(default=(), description="What must be.")
    )
    preferred_during_scheduling_ignored_during_execution: Annotated[tuple[PreferredPods, ...], Terms] = Field(
        default=(), description="What had better be."
    )


class Affinity(SpecModel):
    """Where pods are scheduled."""

    node_affinity: NodeAffinity | None = Field(default=None, description="Which nodes pods go to.")
    pod_affinity: PodAffinity | None = Field(default=None, description="Which pods they are near to.")
    pod_anti_affinity: PodAffinity | None = Field(default=None, description="Which pods they are far from.")


class TopologySpread(SpecModel):
    """How evenly pods are spread."""

    max_skew: int = Field(ge=1, le=1000, description="Largest difference in pods between two domains.")
    topology_key: LabelKey = Field(
        description="Node label whose values are the domains, such as topology.kubernetes.io/zone."
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What happens when it cannot be met."
    )
    label_selector: Annotated[LabelSelector | None, DefaultText("no pods")] = Field(
        default=None, description="Which pods are counted."
    )
    min_domains: int = Field(
        default=1, ge=1, le=1000, description="Least number of domains, with DoNotSchedule."
    )
    match_label_keys: Annotated[tuple[LabelKey, ...], Terms] = Field(
        default=(), description="Labels whose value is taken from the pod itself, as weir.dev/run."
    )
