"""The steps of a whole test run, and when each of them may begin."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Step:
    """A target of the Makefile."""

    name: str
    after: tuple[str, ...] = ()

    def state(self, well: Mapping[str, bool], asked: AbstractSet[str]) -> Literal["wait", "start", "skip"]:
        """Whether it may begin, given which steps ended well or did not; those that nobody asked for do not count."""
        needed = [name for name in self.after if name in asked]
        if not all(well.get(name, True) for name in needed):
            return "skip"
        return "start" if all(name in well for name in needed) else "wait"


#: The cluster's programs take minutes to build on a new machine: beside the tests that need no cluster, but after MinIO and Helm, which
#: those need too. Its tests come last: beside the others they would wait for pods that wait for a processor.
STEPS = (
    Step("check"),
    Step("tools"),
    Step("programs", after=("tools",)),
    Step("integration", after=("check", "tools")),
    Step("test-cluster", after=("check", "programs", "integration")),
)
