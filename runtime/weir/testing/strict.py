"""Catches what the engine leaves undefined: state changed without ``update``, rows changed after they were emitted.

A ``Watch`` remembers, for each mutable object that went into or came out of state, how its serializer wrote it, and
for each mutable row that was emitted, how it was pickled. ``check`` compares. The harness calls it after each element;
``watched_state`` reports to it.
"""

from __future__ import annotations

import pickle
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from weir.errors import SerializationError, StateAccessError, UserError
from weir.operators.failures import excerpt
from weir.serde import Serializer
from weir.state.isolation import all_immutable

T = TypeVar("T")

#: Emitted rows that are looked at again after each element; at a snapshot it is all of them as well.
_ROWS: Final = 200


class StateMutated(StateAccessError):
    """State was changed in place, and no ``update`` (``put``) said so."""


class RowMutated(UserError):
    """A row was changed after it was emitted."""


@dataclass(frozen=True)
class _Loan:
    """A mutable object of state, and what it was when the engine saw it last."""

    value: Any
    state: str
    entry: object  #: of a map state: the key
    serializer: Serializer
    written: bytes


@dataclass(frozen=True)
class _Emitted:
    row: Any
    pickled: bytes


class Watch:
    """Watches one subtask of one operator; ``operator`` is its name, for messages."""

    def __init__(self, operator: str) -> None:
        self.operator = operator
        #: By identity; the loan keeps its object alive.
        self._loans: dict[int, _Loan] = {}
        self._touched: set[int] = set()
        self._rows: deque[_Emitted] = deque(maxlen=_ROWS)

    # ---- state -------------------------------------------------------------------------------------------

    def lent(self, state: str, serializer: Serializer, value: T, entry: object = None) -> T:
        """A copy of what a state holds, of a map state under ``entry``, is handed to the function."""
        if value is not None and not all_immutable([value]):
            self._touched.add(id(value))
            if id(value) not in self._loans:
                self._loans[id(value)] = _Loan(value, state, entry, serializer, serializer.encode([value]))
        return value

    def stored(self, state: str, serializer: Serializer, value: Any, entry: object = None) -> None:
        """The function put ``value`` into a state. Raises ``SerializationError`` if a snapshot could not hold it."""
        try:
            written = serializer.encode([value])
        except SerializationError as error:
            raise SerializationError(f"state {state!r} of operator {self.operator!r}: {error}") from None
        if not all_immutable([value]):
            self._touched.add(id(value))
            self._loans[id(value)] = _Loan(value, state, entry, serializer, written)

    def returned(self, state: str, entry: object = None) -> None:
        """The function replaces what a state holds: what it did to the copies of it is its own business."""
        for identity in self._touched:
            loan = self._loans.get(identity)
            if loan is not None and (loan.state, loan.entry) == (state, entry):
                del self._loans[identity]

    # ---- rows --------------------------------------------------------------------------------------------

    def emitted(self, row: Any) -> None:
        """The function gave a row away."""
        if all_immutable([row]):
            return
        try:
            self._rows.append(_Emitted(row, pickle.dumps(row, protocol=5)))
        except Exception:  # noqa: BLE001  a row that cannot be pickled is not looked at
            return

    # ---- the verdict -------------------------------------------------------------------------------------

    def check(self, *, everything: bool = False) -> None:
        """Raise ``StateMutated`` or ``RowMutated``; ``everything``: look at all loans, not only the latest."""
        touched, self._touched = self._touched, set()
        for identity in list(self._loans) if everything else touched:
            loan = self._loans.get(identity)
            if loan is not None and _changed(loan):
                del self._loans[identity]
                raise StateMutated(
                    f"state {loan.state!r} of operator {self.operator!r} was changed in place without update() (or "
                    f"put()): it was {excerpt(loan.serializer.decode(loan.written)[0])}, it is {excerpt(loan.value)}; "
                    "give the changed value back to the state, or change a copy of your own: the state does not see it"
                )
        for emitted in self._rows:
            self._check_row(emitted)

    def _check_row(self, emitted: _Emitted) -> None:
        try:
            if pickle.dumps(emitted.row, protocol=5) == emitted.pickled:
                return
        except Exception:  # noqa: BLE001, S110  what was put into it cannot be pickled: compared below
            pass
        before = pickle.loads(emitted.pickled)
        if before != emitted.row:
            self._rows.remove(emitted)
            raise RowMutated(
                f"operator {self.operator!r} changed a row after it emitted it: it was {excerpt(before)}, it is "
                f"{excerpt(emitted.row)}; emit a copy: who reads the row sees the change, or not, as batches fall"
            )


def _changed(loan: _Loan) -> bool:
    try:
        return loan.serializer.encode([loan.value]) != loan.written
    except SerializationError:
        return True
