"""Serializers: columns of Python values to bytes and back, versioned and described.

Used by the state room for snapshots. Only workers decode: nothing here is called by the control plane.
"""

from weir.serde.base import Description, Serializer
from weir.serde.dynamic import DynamicSerializer
from weir.serde.pickled import PickleSerializer
from weir.serde.registry import serializer_for

__all__ = ["Description", "DynamicSerializer", "PickleSerializer", "Serializer", "serializer_for"]
