"""Which buckets a job may name, where an administrator has said so.

Without that, who may reach what is decided by the credentials alone. With it, a job that names a foreign bucket is refused with the
field, the bucket and what is allowed, instead of failing later with a 403.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from weir_operator.validation.reading import Violation


@dataclass(frozen=True)
class Limits:
    """What this installation allows."""

    #: Patterns of buckets, as ``team-*`` or ``{namespace}-state``; none: any bucket.
    buckets: tuple[str, ...] = ()


def foreign(places: Mapping[str, str | None], namespace: str, limits: Limits | None) -> Iterator[Violation]:
    """Faults of the places, by path, that lie in a bucket that is not allowed."""
    if limits is None or not limits.buckets:
        return
    allowed = [pattern.replace("{namespace}", namespace) for pattern in limits.buckets]
    for path, place in places.items():
        if place is None or not place.startswith("s3://"):
            continue
        bucket = place.removeprefix("s3://").split("/")[0]
        if not any(fnmatchcase(bucket, pattern) for pattern in allowed):
            yield Violation(
                path,
                f"{place} lies in bucket {bucket}, and jobs of namespace {namespace} may use {', '.join(allowed)}; "
                "choose one of these, or ask who runs the operator to allow the bucket",
            )
