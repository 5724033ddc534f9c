"""Serializers: columns of Python values to bytes and back, versioned and described.

Used by the state room for snapshots. Only workers decode: nothing here is called by the control plane.
"""

from weir.serde.base import Description, Serializer, decode_each, encode_each
from weir.serde.compatibility import check_compatible
from weir.serde.dynamic import DynamicSerializer
from weir.serde.keys import KeySerializer
from weir.serde.pickled import (
    PickleSerializer,
    allow_pickle,
    allow_pickle_by,
    allow_pickle_here,
    check_allowed,
    read_signed,
    signed_pickle,
)
from weir.serde.registry import serializer_for, serializer_from_description
from weir.serde.typed import TypedSerializer

__all__ = [
    "Description",
    "DynamicSerializer",
    "KeySerializer",
    "PickleSerializer",
    "Serializer",
    "TypedSerializer",
    "allow_pickle",
    "allow_pickle_by",
    "allow_pickle_here",
    "check_allowed",
    "check_compatible",
    "decode_each",
    "encode_each",
    "read_signed",
    "serializer_for",
    "serializer_from_description",
    "signed_pickle",
]
