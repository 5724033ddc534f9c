"""What a job says of its windows, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from weir.functions import OutputTag
from weir.windows.assigners import WindowAssigner
from weir.windows.evictors import Evictor
from weir.windows.triggers import Trigger


@dataclass(frozen=True)
class WindowSettings:
    """See the module."""

    assigner: WindowAssigner[Any, Any]
    trigger: Trigger[Any, Any]
    evictor: Evictor[Any, Any] | None = None
    #: Milliseconds after its end during which a window still takes rows.
    lateness: int = 0
    late_tag: OutputTag[Any] | None = None
