"""Random documents of our resources: any fields, values that are mostly good and sometimes wrong."""

from __future__ import annotations

import types
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from weir_operator.models import Duration, Size, texts, values, volumes
from weir_operator.models.checks import Check
from weir_operator.models.pod import FieldPath

_NAMES = ["a", "air", "a-b", "0"]
_FOLDERS = ["s3://weir/checkpoints", "s3://weir", "file:///mnt/state"]
#: Values of texts with a meaning, good and wrong.
_TEXTS: list[tuple[Any, list[Any], list[Any]]] = [
    (texts.ObjectName, ["air", "a.b-c"], ["A", "-a", "", "a" * 254, 5]),
    (texts.Folder, _FOLDERS, ["checkpoints", "s3://u:p@bucket/x", "gs://b/x", "file://x", "s3://B/x", ""]),
    (texts.Archive, ["s3://bucket/app.zip"], ["s3://bucket", "http://x/app.zip", "s3://bucket/a b"]),
    (texts.Endpoint, ["http://minio.storage:9000", "https://s3.example/"], ["minio:9000", "http://u:p@minio", "http://minio/x"]),
    (texts.Sha256, ["0" * 64], ["0" * 63, "A" * 64, "x"]),
    (texts.Entrypoint, ["flights.job:build", "job.py", "a/b.py"], ["build", ":x", "a b.py", ""]),
    (texts.CronText, ["0 3 * * *", "@daily"], ["0 3 * *", "@now"]),
    (texts.Image, ["example/flights:1.4.0", "r.example:5000/x@sha256:ab"], ["", "a b", "-x"]),
    (texts.PriorityClass, ["streams"], ["system-node-critical"]),
    (values.Quantity, [1, "500m", "4Gi", "1e3"], ["two", -1, "1K", 1.5]),
    (volumes.FilePath, ["conf/app.yaml", "x"], ["../x", "/x", "a/../b", ".x"]),
    (volumes.MountPath, ["/data", "/mnt/x"], ["/", "/tmp", "/var", "data", "/a/../b", "/etc/weir/x"]),
    (FieldPath, ["metadata.name", "metadata.labels['a']"], ["spec.serviceAccountName", "metadata.labels"]),
]  # fmt: skip
_BY_CHECK = {
    note: (good, wrong)
    for annotated, good, wrong in _TEXTS
    for note in get_args(annotated)[1:]
    if isinstance(note, Check)
}
_DURATIONS = (["10s", "1h30m", "500ms", "0s", "1ms", "0"], ["7d", "ten", "-1s", "1 s", 10])
_SIZES = (["10Gi", 1024, "1.5M"], ["ten", -1, "1Pi"])


def documents(kind: type[BaseModel], wrong: float = 0.05) -> st.SearchStrategy[dict[str, Any]]:
    """Documents of a class; each value is a wrong one with about this probability."""
    return st.composite(_document)(kind, wrong)


def fields(kind: type[BaseModel], prefix: str = "") -> dict[str, st.SearchStrategy[Any]]:
    """Values for each field that a document may have, by path; those of lists and maps are drawn as a whole."""
    found: dict[str, st.SearchStrategy[Any]] = {}
    for name, info in kind.model_fields.items():
        path, inner = f"{prefix}{info.alias or name}", info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and prefix.count(".") < 2:
            found |= fields(inner, f"{path}.")
        else:
            found[path] = _field(info, 0)
    return found


def _document(draw: st.DrawFn, kind: type[BaseModel], wrong: float) -> dict[str, Any]:
    made: dict[str, Any] = {}
    optional = [name for name, info in kind.model_fields.items() if not info.is_required()]
    few = draw(st.sets(st.sampled_from(optional), max_size=4)) if optional else set()
    for name, info in kind.model_fields.items():
        if info.is_required() or name in few:
            made[info.alias or name] = draw(_field(info, wrong))
    if draw(_unlikely(wrong / 5)):
        made[draw(st.sampled_from(["unknown", "hostPath", "nme"]))] = 1
    return made


def _unlikely(probability: float) -> st.SearchStrategy[bool]:
    return st.integers(0, 999).map(lambda n: n >= 1000 * (1 - probability))


def _field(info: FieldInfo, wrong: float) -> st.SearchStrategy[Any]:
    return _value(info.annotation, info.metadata, wrong)


def _value(annotation: Any, notes: list[Any], wrong: float) -> st.SearchStrategy[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _value(inner, [*notes, *more], wrong)
    for note in notes:
        if isinstance(note, Check) and note in _BY_CHECK:
            return _mostly(*map(st.sampled_from, _BY_CHECK[note]), wrong)
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return st.sampled_from([1, "x", True, 1.5]) if len(members) > 1 else _value(members[0], notes, wrong)
    if origin is tuple:
        least = next((note.min_length for note in notes if isinstance(note, annotated_types.MinLen)), 0)
        return st.lists(_value(get_args(annotation)[0], [], wrong), min_size=least, max_size=3)
    if origin is dict:
        keys = _mostly(st.sampled_from(["a", "example.com/a"]), st.sampled_from(["weir.dev/job"]), wrong)
        least = next((note.min_length for note in notes if isinstance(note, annotated_types.MinLen)), 0)
        return st.dictionaries(keys, _value(get_args(annotation)[1], [], wrong), min_size=least, max_size=2)
    return _plain(annotation, notes, wrong)


def _plain(annotation: Any, notes: list[Any], wrong: float) -> st.SearchStrategy[Any]:
    if get_origin(annotation) is Literal:
        return _mostly(st.sampled_from(get_args(annotation)), st.just("Other"), wrong)
    if annotation is Duration:
        return _mostly(*map(st.sampled_from, _DURATIONS), wrong)
    if annotation is Size:
        return _mostly(*map(st.sampled_from, _SIZES), wrong)
    if annotation is bool:
        return _mostly(st.booleans(), st.just("yes"), wrong)
    if annotation is str:
        return _mostly(st.sampled_from(_NAMES), st.just(5), wrong)
    if annotation in (int, float):
        least = next((note.ge for note in notes if isinstance(note, annotated_types.Ge)), 0)
        most = next((note.le for note in notes if isinstance(note, annotated_types.Le)), 2**31 - 1)
        return _mostly(
            st.sampled_from([least, most]), st.sampled_from([least - 1, most + 1, "4", True]), wrong
        )
    if issubclass(annotation, StrEnum):
        return _mostly(st.sampled_from([member.value for member in annotation]), st.just("Other"), wrong)
    return documents(annotation, wrong)


def _mostly(
    good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any], wrong: float
) -> st.SearchStrategy[Any]:
    return _unlikely(wrong).flatmap(lambda chosen: bad if chosen else good)
