"""A hash of user functions that is the same in every process that runs the same code.

Part of the plan digest: a worker whose ``build`` made other functions than the planner's is refused. It covers byte
code, constants, names, defaults, closures and the settings of function objects; never an ``id``, a memory
address, a file name or the order of a set. Objects of unknown make count by their class only.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import hashlib
import pathlib
import re
import types
import uuid
from collections.abc import Iterable
from typing import Any

_BY_REPR = (
    dt.date,
    dt.time,
    dt.timedelta,
    dt.tzinfo,
    decimal.Decimal,
    pathlib.PurePath,
    uuid.UUID,
)
_PLAIN = (bool, int, float, complex, str, bytes, bytearray, type(None), type(Ellipsis), type(NotImplemented))
_MAX_ITEMS = 1000  #: of a collection; a large one counts by its length and its beginning
_MAX_DEPTH = 8
_MAX_VALUES = 100_000  #: in all; what is beyond counts by its type


def code_hash(*values: object) -> str:
    """Hex digits that change with the code or the settings of ``values``."""
    return _Hasher().digest(values).hex()[:32]


class _Hasher:
    """Walks values; remembers what it is inside of, so that cycles end."""

    def __init__(self) -> None:
        self._open: list[int] = []
        self._seen = 0

    def digest(self, value: object) -> bytes:
        self._seen += 1
        if len(self._open) > _MAX_DEPTH or self._seen > _MAX_VALUES or id(value) in self._open:
            return _sha("deep", type(value).__qualname__)
        self._open.append(id(value))
        try:
            return self._parts(value)
        finally:
            self._open.pop()

    def _parts(self, value: object) -> bytes:
        if isinstance(value, enum.Enum):
            return _sha("enum", type(value).__qualname__, value.name)
        if isinstance(value, _PLAIN):
            return _sha("plain", type(value).__name__, repr(value))
        if isinstance(value, _BY_REPR):
            return _sha("repr", type(value).__qualname__, repr(value))
        if isinstance(value, re.Pattern):
            return _sha("pattern", repr(value.pattern), str(value.flags))
        if isinstance(value, list | tuple | dict | set | frozenset):
            return self._collection(value)
        if isinstance(value, types.CodeType):
            return self._code(value)
        return self._callable(value)

    def _collection(self, value: Any) -> bytes:
        kind = (type(value).__qualname__, str(len(value)))
        if isinstance(value, dict):
            items = [self.digest(item) for _, item in zip(range(_MAX_ITEMS), value.items(), strict=False)]
            return _sha("dict", *kind, *sorted(items))
        if isinstance(value, set | frozenset):
            return _sha("set", *kind, *sorted(self.digest(item) for item in value))
        return _sha("sequence", *kind, *(self.digest(item) for item in value[:_MAX_ITEMS]))

    def _code(self, code: types.CodeType) -> bytes:
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        constants = [self.digest(constant) for constant in code.co_consts]
        return _sha("code", code.co_qualname, code.co_code, repr(names), repr(counts), *constants)

    def _callable(self, value: object) -> bytes:
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            return _sha("method", self.digest(value.__func__), self.digest(value.__self__))
        if isinstance(value, functools.partial):
            parts = (value.func, value.args, value.keywords)
            return _sha("partial", *(self.digest(part) for part in parts))
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.BuiltinFunctionType | types.ModuleType):
            return _sha("named", str(getattr(value, "__module__", "")), value.__name__)
        return self._object(value)

    def _function(self, function: types.FunctionType) -> bytes:
        cells = [self._cell(cell) for cell in function.__closure__ or ()]
        defaults = self.digest((function.__defaults__, function.__kwdefaults__))
        return _sha("function", function.__qualname__, self.digest(function.__code__), defaults, *cells)

    def _cell(self, cell: types.CellType) -> bytes:
        try:
            return self.digest(cell.cell_contents)
        except ValueError:
            return _sha("empty cell")

    def _class(self, cls: type) -> bytes:
        """Name, and what the class and its bases define; the engine's own classes count by name."""
        members: list[bytes] = []
        for base in cls.__mro__:
            if base.__module__.split(".")[0] in {"weir", "builtins", "abc", "typing", "msgspec", "enum"}:
                continue
            for name, member in sorted(vars(base).items()):
                found = self._member(name, member)
                if found is not None:
                    members.append(_sha(base.__qualname__, name, found))
        return _sha("class", cls.__module__, cls.__qualname__, *members)

    def _member(self, name: str, member: object) -> bytes | None:
        if isinstance(member, staticmethod | classmethod):
            return self.digest(member.__func__)
        if isinstance(member, property):
            return self.digest((member.fget, member.fset))
        if isinstance(member, types.FunctionType):
            return self.digest(member)
        simple = isinstance(member, (*_PLAIN, tuple, list, dict, frozenset, enum.Enum))
        return self.digest(member) if simple and not name.startswith("__") else None

    def _object(self, value: object) -> bytes:
        attributes = dict(_attributes(value))
        return _sha("object", self._class(type(value)), self.digest(attributes))


def _attributes(value: object) -> Iterable[tuple[str, object]]:
    """What the object's ``__dict__`` and ``__slots__`` hold."""
    yield from getattr(value, "__dict__", {}).items()
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            found = getattr(value, name, None) if not name.startswith("__") else None
            if found is not None:
                yield name, found


def _sha(*parts: str | bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()
