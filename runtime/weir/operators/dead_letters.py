"""Records whose function raised, as rows of a stream of their own; the others of their batch go on as if these had not been.

An operator that diverts runs over one record at a time, and what a record gives is handed on when its call is over: so
nothing of a failed call is. Others are driven over whole batches, as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weir.errors import RecordFormatError, SerializationError, UserCodeError, WeirError
from weir.functions import DEAD_LETTERS, DeadLetter
from weir.operators.base import Operator
from weir.operators.failures import user_location
from weir.records import RowBatch, StreamElement

#: Errors of Weir's own that are about one record.
_OF_A_RECORD = (UserCodeError, SerializationError, RecordFormatError)


def is_of_a_record(error: Exception) -> bool:
    """Whether another record may well be processed: neither memory, nor storage, nor the engine failed, nor is the job wrong."""
    if isinstance(error, WeirError):
        return isinstance(error, _OF_A_RECORD)
    return not isinstance(error, MemoryError)


class Diverted:
    """One operator, record by record."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self.count = 0

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        """What ``Operator.process`` gives, and dead letters. Raises what is of no record."""
        operator, stamps, keys = self._operator, batch.timestamps, batch.keys
        for index, value in enumerate(batch.values):
            stamp = None if stamps is None else stamps[index]
            single = RowBatch(
                [value], None if stamp is None else [stamp], None if keys is None else [keys[index]]
            )
            try:
                given = list(operator.process(single, input_index))
            except Exception as error:
                if not is_of_a_record(error):
                    raise
                operator.discard()
                self.count += 1
                letter = self._letter(value, stamp, error)
                given = [RowBatch([letter], single.timestamps, tag=DEAD_LETTERS)]
            yield from given

    def _letter(self, record: Any, timestamp: int | None, error: Exception) -> DeadLetter:
        cls, context = type(error), self._operator.context
        module = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
        return DeadLetter(
            record=record,
            exception=module + cls.__qualname__,
            message=str(error),
            operator=context.uid or context.name,
            place=user_location(error.__traceback__) or context.location,
            timestamp=timestamp,
        )
