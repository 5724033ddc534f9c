"""Declared types as trees that check whole columns: does every value have exactly the declared types?

msgpack would write what it is given (a tuple for a list, a subclass for its base, text for a date) and read back
something else. A shape looks at one level of all values at once, mostly in C (``set(map(type, column))``),
then hands the columns below to its children. :class:`NotExact` marks values that only the dynamic
serializer keeps; every other misfit is a ``SerializationError`` with path and both types.
``records`` has the nodes of user classes, ``inspection`` builds the trees, ``typed`` uses them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC
from itertools import chain
from operator import itemgetter
from typing import Any, Final, TypeAlias

from weir.errors import SerializationError
from weir.serde.naming import render, type_name

#: Records that are being described: one inside itself becomes a reference.
Within: TypeAlias = "frozenset[type]"

_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**64 - 1
#: Up to here every int is a float.
_EXACT_FLOAT: Final = 2**53
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})
_PLAIN_KEYS: Final = frozenset({str, int})


class NotExact(SerializationError):
    """The typed form would not give back this value; the dynamic form does."""


class Shape(ABC):
    """One node of a declared type."""

    #: Exact types of the values that belong here.
    roots: frozenset[type] = frozenset()
    #: Types that are taken too, unless another member of a union has them as roots.
    lenient: frozenset[type] = frozenset()

    @abstractmethod
    def describe(self, within: Within = frozenset()) -> Any:
        """The type as data: a name, or a dict with one structural key."""

    def check(self, column: list[Any], path: str, ranges: bool = False) -> None:
        """Raises ``SerializationError`` for the first value that does not fit; ``ranges``: look at sizes too."""
        if not set(map(type, column)) <= self.roots:
            self.refuse(column, path)
        if column:
            self.check_below(column, path, ranges)

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        """Look into values of the right outer type."""

    def refuse(self, column: list[Any], path: str) -> None:
        """Raise for the first value whose outer type is neither a root nor taken leniently."""
        for value in column:
            if type(value) not in self.roots and type(value) not in self.lenient:
                raise SerializationError(
                    f"{path}: declared {render(self.describe())}, got {type_name(type(value))}: {value!r:.80}; "
                    "correct the value or the declared type"
                )

    def inexact(self, value: Any, path: str, why: str) -> NotExact:
        """The error for a value of the right type that would come back changed."""
        return NotExact(f"{path}: {value!r:.80} {why}")


class ScalarShape(Shape):
    """A type that msgpack keeps, or that has one exact spelling."""

    def __init__(self, name: str, *roots: type) -> None:
        self._name = name
        self.roots = frozenset(roots)

    def describe(self, within: Within = frozenset()) -> Any:
        return self._name


class IntShape(ScalarShape):
    """``int``; a bool, or more than 64 bits, needs the dynamic form."""

    lenient = frozenset({bool})

    def __init__(self) -> None:
        super().__init__("int", int)

    def check(self, column: list[Any], path: str, ranges: bool = False) -> None:
        if not set(map(type, column)) <= self.roots:
            self.refuse(column, path)
            value = next(value for value in column if type(value) is bool)
            raise self.inexact(
                value, path, "is a bool where int is declared; declare bool, or write int(...)"
            )
        if ranges:
            for value in column:
                if not _MIN_INT <= value <= _MAX_INT:
                    raise self.inexact(
                        value, path, "is an int of more than 64 bits; declare str or bytes for it"
                    )


class FloatShape(ScalarShape):
    """``float``; an int that is a float, too, comes back as that float."""

    lenient = frozenset({int, bool})

    def __init__(self) -> None:
        super().__init__("float", float)

    def check(self, column: list[Any], path: str, ranges: bool = False) -> None:
        if set(map(type, column)) <= self.roots:
            return
        self.refuse(column, path)
        for value in column:
            if type(value) is bool or (type(value) is int and abs(value) > _EXACT_FLOAT):
                raise self.inexact(value, path, "is no float, and not exactly one; write float(...)")


class StrShape(ScalarShape):
    """``str``; lone surrogates need the dynamic form."""

    def __init__(self) -> None:
        super().__init__("str", str)

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        if ranges:
            for value in column:
                if any("\ud800" <= character <= "\udfff" for character in value):
                    raise self.inexact(
                        value, path, "holds a lone surrogate, which is not text; declare bytes for it"
                    )


class ZonedShape(ScalarShape):
    """``datetime`` and ``time``: naive and UTC values are kept, others would lose zone or fold."""

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        for value in column:
            zone = value.tzinfo
            if value.fold or (zone is not None and zone is not UTC and zone != UTC):
                raise self.inexact(
                    value, path, "would lose its time zone; store value.astimezone(datetime.UTC)"
                )


class LiteralShape(Shape):
    """One of some strings, ints or None."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self._values = frozenset(values)
        self.roots = frozenset(map(type, values))

    def describe(self, within: Within = frozenset()) -> Any:
        return {"literal": sorted(self._values, key=repr)}

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        if not set(column) <= self._values:
            value = next(value for value in column if value not in self._values)
            raise SerializationError(f"{path}: declared {render(self.describe())}, got {value!r:.80}")


class AnyShape(Shape):
    """A part without a type inside a typed value: only what msgpack keeps by itself."""

    def describe(self, within: Within = frozenset()) -> Any:
        return "any"

    def check(self, column: list[Any], path: str, ranges: bool = False) -> None:
        for value in column:
            self._check_plain(value, path, ranges)

    def _check_plain(self, value: Any, path: str, ranges: bool) -> None:
        kind = type(value)
        if kind in _PLAIN:
            if ranges and kind is int and not _MIN_INT <= value <= _MAX_INT:
                raise self.inexact(value, path, "is an int of more than 64 bits; declare str or bytes for it")
        elif kind is list:
            for item in value:
                self._check_plain(item, f"{path}[]", ranges)
        elif kind is dict and set(map(type, value)) <= _PLAIN_KEYS:
            for key, item in value.items():
                self._check_plain(item, f"{path}[{key!r}]", ranges)
        else:
            raise self.inexact(
                value, path, f"is {type_name(kind)} where no type is declared; declare its type"
            )


class SequenceShape(Shape):
    """``list``, ``set``, ``frozenset`` and ``tuple[T, ...]``."""

    def __init__(self, cls: type, item: Shape) -> None:
        self._cls = cls
        self._item = item
        self.roots = frozenset({cls})

    def describe(self, within: Within = frozenset()) -> Any:
        return {self._cls.__name__: self._item.describe(within)}

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        self._item.check(list(chain.from_iterable(column)), f"{path}[]", ranges)


class TupleShape(Shape):
    """``tuple[A, B]``."""

    roots = frozenset({tuple})

    def __init__(self, items: list[Shape]) -> None:
        self._items = items

    def describe(self, within: Within = frozenset()) -> Any:
        return {"fixed-tuple": [item.describe(within) for item in self._items]}

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        if set(map(len, column)) != {len(self._items)}:
            value = next(value for value in column if len(value) != len(self._items))
            raise SerializationError(
                f"{path}: declared {render(self.describe())}, got a tuple of {len(value)}: {value!r:.80}"
            )
        for index, item in enumerate(self._items):
            item.check(list(map(itemgetter(index), column)), f"{path}[{index}]", ranges)


class DictShape(Shape):
    """``dict[K, V]``."""

    roots = frozenset({dict})

    def __init__(self, key: Shape, value: Shape) -> None:
        self._key = key
        self._value = value

    def describe(self, within: Within = frozenset()) -> Any:
        return {"dict": [self._key.describe(within), self._value.describe(within)]}

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        self._key.check(list(chain.from_iterable(column)), f"{path}.keys()", ranges)
        self._value.check(list(chain.from_iterable(map(dict.values, column))), f"{path}[]", ranges)


class UnionShape(Shape):
    """``A | B``: each value is checked by the member that its type belongs to."""

    def __init__(self, members: list[Shape]) -> None:
        self._members = members
        # msgspec has refused unions whose members cannot be told apart by their outer type.
        self._by_type: dict[type, Shape] = {}
        for member in members:
            self._by_type |= dict.fromkeys(member.roots, member)
        for member in members:
            self._by_type = dict.fromkeys(member.lenient, member) | self._by_type
        self.roots = frozenset(self._by_type)

    def describe(self, within: Within = frozenset()) -> Any:
        return {"union": sorted((member.describe(within) for member in self._members), key=repr)}

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        types = set(map(type, column))
        for kind in types:
            part = column if len(types) == 1 else [value for value in column if type(value) is kind]
            self._by_type[kind].check(part, path, ranges)
