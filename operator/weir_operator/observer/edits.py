"""Whether somebody else has had a hand in an object of ours.

Server-side apply keeps, in ``managedFields``, who set which fields. Controllers write an object's status, people and
other tools write its spec or data; an object whose spec has another hand in it is applied again, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_OURS = "weir-operator"
#: What makes an object what it is; a label or an annotation of somebody else's is none of our business.
_ESSENCE = {"f:spec", "f:data", "f:binaryData", "f:subsets"}


def edited(managed_fields: Iterable[Mapping[str, Any]] | None) -> bool:
    """Whether anybody but us set a field of the object's essence, or one of its owners."""
    return any(_meddles(entry) for entry in managed_fields or ())


def _meddles(entry: Mapping[str, Any]) -> bool:
    if entry.get("manager") == _OURS or entry.get("subresource") == "status":
        return False
    fields = entry.get("fieldsV1") or {}
    owners = "f:ownerReferences" in (fields.get("f:metadata") or {})
    return owners or not _ESSENCE.isdisjoint(fields)
