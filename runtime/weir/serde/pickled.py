"""Pickle as a serializer: the opt-in for values of types that have no other form.

Reading a pickle runs whatever code it names. So this room is the only one that reads one out of a snapshot, only where a descriptor
says ``PickleSerializer()``, only in a process that was given the job's key (``state.pickle.key-file``: a worker, or a user's program
over a savepoint), and only if the pickle was signed with that key: who may write to the bucket cannot run code by it. The control plane
and the command line are given no key and decode no state.
"""

from __future__ import annotations

import hashlib
import hmac
import pickle
import secrets
from typing import Any, Final

from weir.errors import ConfigError, SerializationError
from weir.serde.base import Description
from weir.serde.naming import type_name

#: A signature follows, then the pickle; a pickle itself begins otherwise.
_SIGNED: Final = b"\x01"
_SIGNATURE_BYTES: Final = 32
LEAST_KEY_BYTES: Final = 32

#: Of this process, which serves one job (serializers are made by its code, which knows no settings); none: nothing is pickled.
_key: bytes | None = None


def allow_pickle(key: bytes | None) -> None:
    """From now on this process signs pickled state with ``key`` and reads what was signed with it; ``None``: neither.

    Raises ``ConfigError`` for a key of less than 32 bytes.
    """
    global _key
    if key is not None and len(key) < LEAST_KEY_BYTES:
        raise ConfigError(
            f"the key for pickled state has {len(key)} bytes, it needs {LEAST_KEY_BYTES}; make one by "
            f"head -c {LEAST_KEY_BYTES} /dev/urandom > FILE"
        )
    _key = key


def allow_pickle_by(path: str) -> None:
    """As :func:`allow_pickle`, with the contents of a file. Raises ``ConfigError``."""
    try:
        with open(path, "rb") as file:
            key = file.read()
    except OSError as error:
        raise ConfigError(
            f"state.pickle.key-file: {path} cannot be read: {error.strerror}; it must be there on every machine of the job"
        ) from error
    allow_pickle(key)


def allow_pickle_here() -> None:
    """For state that is read only where it was written, as in tests of functions: a key that only this process knows, if it has none."""
    if _key is None:
        allow_pickle(secrets.token_bytes(LEAST_KEY_BYTES))


def refusal(what: str) -> str | None:
    """Why ``what`` cannot be pickled here; ``None``: it can."""
    if _key is not None:
        return None
    return (
        f"{what} would be pickled, and this job does not allow it, since reading a pickle runs the code that is in it; declare a "
        "type (dataclass, NamedTuple, TypedDict, msgspec.Struct, pydantic model, builtin types), or set state.pickle.key-file to a "
        "file with a secret of at least 32 bytes, with which pickles are signed"
    )


def signed_pickle(values: list[Any]) -> bytes:
    """Raises ``SerializationError`` when that is not allowed, or a value cannot be pickled."""
    if _key is None:
        types = ", ".join(sorted({type_name(type(value)) for value in values})[:3])
        raise SerializationError(refusal(f"values of type {types}") or "")
    try:
        data = pickle.dumps(values, protocol=5)
    except Exception as error:  # user code: __reduce__ may raise anything
        raise SerializationError(f"a value cannot be pickled: {type(error).__name__}: {error}") from error
    return _SIGNED + _signature(_key, data) + data


def read_signed(data: bytes) -> Any:
    """Raises ``SerializationError`` when that is not allowed, or ``data`` was not signed by this job: then none of it is read."""
    if _key is None:
        raise SerializationError(refusal("what was stored") or "")
    start = len(_SIGNED) + _SIGNATURE_BYTES
    signature, pickled = data[len(_SIGNED) : start], data[start:]
    if data[:1] != _SIGNED:
        raise SerializationError(
            "the pickled values are not signed, and reading them may run anybody's code; if you know who wrote the snapshot, declare "
            "PickleSerializer(unsigned=True) until the next one is taken"
        )
    if not hmac.compare_digest(signature, _signature(_key, pickled)):
        raise SerializationError(
            "the pickled values were signed with another key than that of state.pickle.key-file, or changed since; nothing of them was "
            "read. Give the job the key with which they were written, or start without this state"
        )
    return _unpickled(pickled)


def _signature(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)


def _unpickled(data: bytes) -> Any:
    try:
        return pickle.loads(data)
    except Exception as error:  # user code: __setstate__ may raise anything
        raise SerializationError(
            f"the pickled values cannot be read: {type(error).__name__}: {error}; keep the names of the classes "
            "that a snapshot holds, or start without this state"
        ) from error


class PickleSerializer:
    """Any picklable value. Snapshots depend on the module and class names of what they hold.

    Needs ``state.pickle.key-file``. ``unsigned``: read pickles without a signature, too, as Weir wrote them before it signed
    any; whoever can write to the snapshot then runs code in the job's workers.
    """

    __slots__ = ("_unsigned",)
    name: Final = "pickle"
    version: Final = 2

    def __init__(self, *, unsigned: bool = False) -> None:
        self._unsigned = unsigned

    def encode(self, values: list[Any]) -> bytes:
        """Raises ``SerializationError`` when a value cannot be pickled, or the job does not allow it."""
        return signed_pickle(values)

    def decode(self, data: bytes) -> list[Any]:
        """Raises ``SerializationError``: without a good signature, or since a class was renamed or moved."""
        found: list[Any]
        if self._unsigned and _key is not None and data[:1] != _SIGNED:
            found = _unpickled(data)
        else:
            found = read_signed(data)
        return found

    def describe(self) -> Description:
        return {"serializer": self.name, "version": self.version}

    def __repr__(self) -> str:
        return "PickleSerializer()"


def check_allowed(serializer: object, what: str) -> None:
    """Raises ``SerializationError`` if ``serializer`` pickles and this process may not."""
    if isinstance(serializer, PickleSerializer) and (fault := refusal(what)):
        raise SerializationError(fault)
