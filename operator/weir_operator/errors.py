"""The exception tree of the operator, by what a reconciler does next.

::

    OperatorError
    +-- TemporaryError        try again later: the API server or the JobManager does not answer
    +-- PermanentError        do not try again before the resource has been edited: the spec is wrong

Handlers translate these two into kopf's exceptions of the same names; nothing below the handlers knows kopf.
A message names the thing, both values and the next step.
"""

from __future__ import annotations


class OperatorError(Exception):
    """Root of the tree."""

    #: Whether the same reconciliation may succeed later without anybody editing the resource.
    retryable = False


class TemporaryError(OperatorError):
    """The world is not ready: reconcile again after ``delay`` seconds (default 10)."""

    retryable = True

    def __init__(self, message: str, *, delay: float = 10.0) -> None:
        super().__init__(message)
        #: Seconds until the next attempt; positive.
        self.delay = delay


class PermanentError(OperatorError):
    """The resource is wrong as it stands; only an edit of it can help."""
