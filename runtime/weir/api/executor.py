"""Where ``env.execute()`` goes: to a recorder while a job is loaded, else to the default (a local cluster).

The facade wires the default, so that this room knows no cluster. Light on purpose: every ``import weir`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from weir.operators.job_code import JobCode


class JobExecutionResult(NamedTuple):
    """What ``execute`` returns when the job has finished."""

    job_id: str
    job_name: str
    net_runtime_ms: int = 0

    def get_job_id(self) -> str:
        """The job's id, 32 hex digits."""
        return self.job_id

    def get_net_runtime(self) -> int:
        """Milliseconds from start to end."""
        return self.net_runtime_ms


class Executor(Protocol):
    """Runs a recorded job to its end."""

    def execute(self, job: JobCode) -> JobExecutionResult:
        """Raises ``JobFailed`` when the job does not finish."""
        ...


class LoadContext(NamedTuple):
    """What environments made inside a load see: who takes the job, and the parallelism it will have."""

    executor: Executor
    parallelism: int = 1
    max_parallelism: int = 128


_context: ContextVar[LoadContext | None] = ContextVar("weir_load_context", default=None)
_default: list[Callable[[], Executor]] = []


def set_default_executor(factory: Callable[[], Executor]) -> None:
    """Name what runs jobs outside a load; the facade calls this."""
    _default[:] = [factory]


def current_context() -> LoadContext | None:
    """The load under way, if there is one."""
    return _context.get()


def current_executor() -> Executor:
    """The recorder of the load under way, else the default."""
    context = _context.get()
    return context.executor if context is not None else _default[0]()


@contextmanager
def executing_with(context: LoadContext) -> Iterator[None]:
    """Within the block, ``execute`` goes to ``context.executor``."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)
