"""Whether state written with one description can be read with another. Pure.

Same types are compatible; a record may gain fields with defaults and lose fields, an Enum may gain members,
a type may become a union that contains it. Everything else is a difference, told with its path and both types.
"""

from __future__ import annotations

from typing import Any

from weir.errors import SnapshotMismatch
from weir.serde.base import Description
from weir.serde.naming import render


def check_compatible(old: Description | None, new: Description, what: str) -> None:
    """Raises ``SnapshotMismatch`` naming ``what`` and both types when ``new`` cannot read what ``old`` wrote."""
    reason = _serializer_difference(old, new)
    if reason is not None:
        raise SnapshotMismatch(
            f"{what} cannot be restored: {reason}; keep the type, or give the new state another name"
        )


def _serializer_difference(old: Description | None, new: Description) -> str | None:
    if old == new:
        return None
    if old is None:
        return f"the snapshot does not say how it was written, it is now declared as {_spoken(new)}"
    if old.get("serializer") != new.get("serializer"):
        return f"it was written as {_spoken(old)} and is now declared as {_spoken(new)}"
    if old.get("version", 0) > new.get("version", 0):
        return (
            f"it was written by version {old.get('version')} of the {old.get('serializer')} serializer, "
            f"this program has version {new.get('version')}"
        )
    if "type" in old and "type" in new:
        return _difference(old["type"], new["type"], "")
    if {**old, "version": 0} == {**new, "version": 0}:
        return None
    return f"it was written with {old} and is now declared with {new}"


def _spoken(description: Description) -> str:
    if "type" in description:
        return render(description["type"])
    return {"dynamic": "untyped (dynamic) values", "pickle": "pickled values"}.get(
        description.get("serializer", ""), str(description)
    )


def _difference(old: Any, new: Any, path: str) -> str | None:
    if old == new:
        return None
    if isinstance(new, dict) and "union" in new:
        members = old["union"] if isinstance(old, dict) and "union" in old else [old]
        lost = [m for m in members if all(_difference(m, n, path) for n in new["union"])]
        return _changed(old, new, path) if lost else None
    if isinstance(old, str) or isinstance(new, str) or old.keys() != new.keys():
        return _changed(old, new, path)
    if "class" in old:
        return _record_difference(old, new, path)
    if "enum" in old:
        gone = [value for value in old["values"] if value not in new["values"]]
        if old["enum"] != new["enum"]:
            return _changed(old, new, path)
        return (
            f"{path or 'type'}: {old['enum']} has no member with the value {gone[0]!r} any more"
            if gone
            else None
        )
    (key,) = old
    if key in ("literal", "ref", "union"):
        return _changed(old, new, path)
    olds, news = (node if isinstance(node, list) else [node] for node in (old[key], new[key]))
    if len(olds) != len(news):
        return _changed(old, new, path)
    for below_old, below_new in zip(olds, news, strict=True):
        if reason := _difference(below_old, below_new, f"{path}[]"):
            return reason
    return None


def _record_difference(old: Any, new: Any, path: str) -> str | None:
    name = new["class"]
    if any(old.get(part) != new.get(part) for part in ("class", "form", "tag")):
        return _changed(old, new, path)
    for field, node in new["fields"].items():
        if field not in old["fields"]:
            if field in new["required"]:
                return f"{name}.{field} is new and has no default; give it one"
        elif reason := _difference(old["fields"][field], node, f"{name}.{field}"):
            return reason
    if new["form"] in ("named-tuple", "array"):
        # Written by position: fields may be added or dropped at the end only.
        for field_old, field_new in zip(old["fields"], new["fields"], strict=False):
            if field_old != field_new:
                return f"{name} is written by position: it had {field_old} where it now has {field_new}"
        if len(old["fields"]) > len(new["fields"]) and new["form"] == "named-tuple":
            return f"{name} is written by position and has lost {list(old['fields'])[-1]}"
    return None


def _changed(old: Any, new: Any, path: str) -> str:
    where = f"{path}: " if path else ""
    was, now = render(old), render(new)
    if was == now:
        was, now = str(old), str(new)
    return f"{where}it was written as {was} and is now declared as {now}"
