"""A short name for a failure: the same wherever it is shown, and the same again when the same thing fails again. Pure.

It is made of what stays: the kind, the user's file and line (without folders), the exception's name, the operator. What
changes from time to time (the record, the worker, numbers) is left out.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from msgspec import structs

from weir.rpc.messages import Failure

#: ``file:line: Name: what it says``, or ``Name: what it says``.
_HEAD: Final = re.compile(r"^(?:(?P<file>\S.*?):(?P<line>\d+): )?(?P<name>[A-Za-z_][\w.]*): ")
_CHANGING: Final = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|\d+", re.IGNORECASE)


def fingerprint(failure: Failure) -> str:
    """Eight hex digits."""
    found = _HEAD.match(failure.message)
    if found is None:
        what = _CHANGING.sub("#", failure.message)
    else:
        file = (found["file"] or "").replace("\\", "/").rpartition("/")[2]
        what = f"{file}:{found['line']}:{found['name']}"
    parts = (failure.kind.value, failure.operator or "", what)
    return hashlib.blake2s("\0".join(parts).encode(), digest_size=4).hexdigest()


def named(failure: Failure) -> Failure:
    """The failure with its fingerprint."""
    return structs.replace(failure, fingerprint=fingerprint(failure))
