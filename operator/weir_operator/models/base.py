"""What the classes of our resources have in common: camel case outside, snake case inside, frozen.

A spec refuses what it does not know; a status ignores it, since a newer operator may have written it. Both are given back
by ``written``: exactly the fields that were set, so "set to the default" and "not set" stay different.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from weir_operator.models.checks import ChangeRule, Rule


class _Model(BaseModel):
    def written(self) -> dict[str, Any]:
        """The document of what was set, as the API server takes it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class SpecModel(_Model):
    """Part of what a user writes."""

    #: What its fields must hold to, one with another, and what a change of them must.
    rules: ClassVar[tuple[Rule, ...]] = ()
    change_rules: ClassVar[tuple[ChangeRule, ...]] = ()

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )


class StatusModel(_Model):
    """Part of what the operator writes."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore", frozen=True
    )


class ObjectMeta(StatusModel):
    """The parts of ``metadata`` that the operator reads."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
