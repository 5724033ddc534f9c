"""What Python objects weigh in memory, by a look at a few of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

#: Their size is all that ``getsizeof`` says.
_FLAT: Final = frozenset({int, float, bool, str, bytes, type(None)})
#: Items of a long container that are looked at, and how deep.
_SAMPLE: Final = 16
_DEPTH: Final = 4


def deep_size(value: Any, depth: int = _DEPTH) -> int:
    """What a value holds, also inside objects; of long containers by a sample. Bytes."""
    kind = value.__class__
    if kind in _FLAT:
        return sys.getsizeof(value)
    if isinstance(value, (tuple, list)):
        if len(value) <= _SAMPLE and _FLAT.issuperset(map(type, value)):
            return sys.getsizeof(value) + sum(map(sys.getsizeof, value))
        return sys.getsizeof(value) + _parts_size(value, len(value), depth)
    size = sys.getsizeof(value, 64)
    if isinstance(value, dict):
        return (
            size
            + _parts_size(value.keys(), len(value), depth)
            + _parts_size(value.values(), len(value), depth)
        )
    if isinstance(value, (set, frozenset)):
        return size + _parts_size(value, len(value), depth)
    names: Any = getattr(kind, "__struct_fields__", None) or getattr(kind, "__slots__", ())
    parts = [getattr(value, name, None) for name in ((names,) if isinstance(names, str) else names)]
    parts.extend(getattr(value, "__dict__", {}).values())
    return size + _parts_size(parts, len(parts), depth)


def _parts_size(parts: Iterable[Any], count: int, depth: int) -> int:
    if depth == 0 or not count:
        return 0
    sizes = [deep_size(part, depth - 1) for part in islice(parts, _SAMPLE)]
    return sum(sizes) * count // len(sizes)
