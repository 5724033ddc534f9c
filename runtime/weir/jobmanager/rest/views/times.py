"""When something began and ended, from the times at which states were entered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from weir.rpc.requests import TaskState, TaskStatus

_ENDED = (TaskState.FINISHED, TaskState.CANCELED, TaskState.FAILED)


@dataclass(frozen=True)
class Span:
    """Wall milliseconds; -1 while there is none."""

    start: int
    end: int
    duration: int


def task_span(task: TaskStatus, now_ms: int) -> Span:
    """Of one subtask in its current attempt."""
    if not task.entered:
        return Span(-1, -1, -1)
    start = min(task.entered.values())
    end = task.entered[task.state] if task.state in _ENDED else -1
    return Span(start, end, (end if end >= 0 else now_ms) - start)


def joint_span(spans: list[Span], now_ms: int) -> Span:
    """From the first beginning to the last end, once all have ended."""
    begun = [span for span in spans if span.start >= 0]
    if not begun:
        return Span(-1, -1, -1)
    start = min(span.start for span in begun)
    over = len(begun) == len(spans) and all(span.end >= 0 for span in begun)
    end = max(span.end for span in begun) if over else -1
    return Span(start, end, (end if over else now_ms) - start)


def state_durations(entered: Mapping[TaskState, int], current: TaskState, now_ms: int) -> dict[str, int]:
    """Milliseconds in each state; a state at whose end nothing happens any more lasts no time."""
    found: dict[str, int] = {}
    moments = [*entered.items()]
    for position, (state, at) in enumerate(moments):
        if position + 1 < len(moments):
            found[state.value] = max(0, moments[position + 1][1] - at)
        else:
            found[state.value] = 0 if current in _ENDED else max(0, now_ms - at)
    return found
