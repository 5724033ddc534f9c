"""Turns an exception of user code into one message: the user's file and line first, then operator, key and record.

The record is found in the frames of the traceback, so that nothing is kept per record while all goes well.
"""

from __future__ import annotations

import os
import sysconfig
import traceback
from types import TracebackType
from typing import Any

from weir.errors import UserCodeError, WeirError
from weir.operators.contexts import ElementContext
from weir.operators.redaction import redacted
from weir.operators.user_function import WrongUse
from weir.state.keyed import NO_KEY

_WEIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_STDLIB = os.path.abspath(sysconfig.get_paths()["stdlib"])
_EXCERPT = 200


class OperatorFailure(UserCodeError):
    """A user function of ``operator`` raised; ``__cause__`` is what it raised, or what an operator found."""

    def __init__(self, message: str, operator: str, trace: str) -> None:
        super().__init__(message)
        self.operator = operator
        self.trace = trace


def excerpt(value: object) -> str:
    """A short ``repr`` for messages, without what looks like a secret; survives objects whose ``repr`` raises."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  a broken __repr__ must not hide the failure
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    text = redacted(text)
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."


def user_location(trace: TracebackType | None) -> str | None:
    """``file:line`` of the innermost frame that is neither Weir's nor the standard library's, if there is one."""
    best = None
    for frame in traceback.extract_tb(trace):
        path = os.path.abspath(frame.filename)
        if path.startswith(_WEIR + os.sep):
            continue
        if not path.startswith(_STDLIB + os.sep) or "site-packages" in path:
            best = f"{frame.filename}:{frame.lineno}"
    return best


def user_trace(error: BaseException) -> str:
    """The traceback without Weir's own frames; empty where no frame is the user's.

    An error of Weir's own is not repeated at its end: it is the message already.
    """
    if user_location(error.__traceback__) is None:
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not os.path.abspath(frame.filename).startswith(_WEIR + os.sep)
    ]
    ending = [] if isinstance(error, WeirError) else traceback.format_exception_only(error)
    head = "Traceback (user code, most recent call last):\n"
    return redacted("".join([head, *traceback.format_list(frames), *ending]))


def operator_failure(
    error: BaseException, operator: str, location: str = "", origin: str = ""
) -> OperatorFailure:
    """Wrap what a user function of ``operator`` raised.

    ``location``: where the user made the operator; it stands in when no frame is the user's (a builtin as function).
    ``origin``: where its rows were read, if they come straight from a source.
    """
    if isinstance(error, OperatorFailure):
        return error
    place = error.place if isinstance(error, WrongUse) else user_location(error.__traceback__)
    where = f"{place or location}: " if place or location else ""
    subject = _subject(error.__traceback__) + (f", {origin}" if origin else "")
    message = f"{where}{type(error).__name__}: {redacted(str(error))} (in operator {operator}{subject})"
    failure = OperatorFailure(message, operator, user_trace(error))
    failure.__cause__ = error
    return failure


def _subject(trace: TracebackType | None) -> str:
    """``, key K, record R`` as far as the frames of the operator and its calling loop show them."""
    found: dict[str, Any] = {}
    while trace is not None:
        names = trace.tb_frame.f_locals
        if (locate := getattr(names.get("self"), "locate_failure", None)) is not None:
            found = locate(names) or found
        elif isinstance(ctx := names.get("ctx"), ElementContext) and "keys" in names:
            found = _element(ctx, names)
        trace = trace.tb_next
    return "".join(f", {name} {excerpt(value)}" for name, value in found.items())


def _element(ctx: ElementContext, names: dict[str, Any]) -> dict[str, Any]:
    """Record (or timer) and key of the call that failed, from the locals of the loop that made it."""
    found: dict[str, Any] = {}
    if "value" in names:
        found["record" if ctx.domain is None else "timer"] = names["value"]
    elif (rows := names.get("rows")) is not None:
        position = len(names["values"]) - rows.__length_hint__() - 1
        if position >= 0:
            found["record"] = names["values"][position]
    if ctx.key is not NO_KEY:
        found["key"] = ctx.key
    return found
