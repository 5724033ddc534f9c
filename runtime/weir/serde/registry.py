"""From what a descriptor says (a type, a serializer, or nothing) to a serializer."""

from __future__ import annotations

from typing import Any

from weir.serde.base import Serializer
from weir.serde.dynamic import DynamicSerializer

_DYNAMIC = DynamicSerializer()


def serializer_for(type_: Any) -> Serializer:
    """The serializer for ``type_``: a serializer is taken as it is, ``None``, ``Any`` and ``object`` mean dynamic.

    Raises ``SerializationError`` when the type cannot be serialised.
    """
    if type_ is None or type_ is Any or type_ is object:
        return _DYNAMIC
    if isinstance(type_, type):
        return _DYNAMIC
    if isinstance(type_, Serializer):
        return type_
    return _DYNAMIC
