"""Pickle as a serializer: the opt-in for values of types that have no other form.

Reading a pickle runs code, so this room is the only one that does it, only for state whose descriptor says
``PickleSerializer()``, and only in the worker that runs the user's code anyway. The control plane never decodes state.
"""

from __future__ import annotations

import pickle
from typing import Any, Final

from weir.errors import SerializationError
from weir.serde.base import Description


class PickleSerializer:
    """Any picklable value. Snapshots depend on the module and class names of what they hold."""

    __slots__ = ()
    name: Final = "pickle"
    version: Final = 1

    def encode(self, values: list[Any]) -> bytes:
        """Raises ``SerializationError`` when a value cannot be pickled."""
        try:
            return pickle.dumps(values, protocol=5)
        except Exception as error:  # user code: __reduce__ may raise anything
            raise SerializationError(f"a value cannot be pickled: {type(error).__name__}: {error}") from error

    def decode(self, data: bytes) -> list[Any]:
        """Raises ``SerializationError``, mostly because a class was renamed or moved since."""
        try:
            values: list[Any] = pickle.loads(data)
        except Exception as error:  # user code: __setstate__ may raise anything
            raise SerializationError(
                f"the pickled values cannot be read: {type(error).__name__}: {error}; keep the names of the classes "
                "that a snapshot holds, or start without this state"
            ) from error
        return values

    def describe(self) -> Description:
        return {"serializer": self.name, "version": self.version}

    def __repr__(self) -> str:
        return "PickleSerializer()"
