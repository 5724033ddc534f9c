"""Labels and annotations: what keys and values Kubernetes takes. CEL would cost too much here, so the operator alone says it.

Without these the API server would refuse the pods, long after the StreamJob was accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from weir_operator.models.checks import Check, readable

_NAME = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9._]{0,61}[a-zA-Z0-9])?")
_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_ACCEPTED = "at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends"


def check_key(key: str) -> None:
    """Raises ``ValueError`` for what is no key of a label or annotation."""
    prefix, slash, name = key.rpartition("/")
    if (slash and not _PREFIX.fullmatch(prefix)) or not _NAME.fullmatch(name):
        raise ValueError(f"{key!r} is no key; expected {_ACCEPTED}, after a domain and '/' if any")


def check_value(value: str) -> None:
    """Raises ``ValueError`` for what is no value of a label."""
    if value and not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no value of a label; expected {_ACCEPTED}")


def _check_labels(labels: Mapping[str, str]) -> None:
    for key, value in labels.items():
        check_key(key)
        check_value(value)


def _check_annotations(annotations: Mapping[str, str]) -> None:
    for key in annotations:
        check_key(key)


ARE_LABELS: Check = readable(_check_labels, "labels of Kubernetes")
ARE_ANNOTATIONS: Check = readable(_check_annotations, "annotations of Kubernetes")
