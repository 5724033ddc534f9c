"""What becomes of the resources of one kind, in a namespace or in all: every state that the API server told of, as it comes.

One ``kubectl get --watch`` feeds it, so waiting costs nothing and no state between two looks is missed: ``wait`` returns with the first
state that is good, and ``history`` tells afterwards how it came to that.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeVar

from tests.cluster.providing import Cluster

Resource = dict[str, Any]
T = TypeVar("T")


class Watch:
    """The resources of ``kind`` in ``namespace`` (None: in all, and their names are ``NAMESPACE/NAME``), from ``with`` on.

    ``told`` is called after each change, on another thread.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: str,
        namespace: str | None,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self.kind = kind
        self.history: list[tuple[float, str, Resource]] = []  #: (time, ADDED | MODIFIED | DELETED, resource)
        self._cluster = cluster
        self._namespace = namespace
        self._told = told
        self._now: dict[str, Resource] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._follow, name=f"watch-{kind}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed = True
        if self._process is not None:
            self._process.terminate()
        self._thread.join(30)

    @property
    def now(self) -> Mapping[str, Resource]:
        """The resources that exist, by name."""
        with self._changed:
            return dict(self._now)

    def wait(self, good: Callable[[Mapping[str, Resource]], T], seconds: float) -> T | None:
        """What ``good`` answers when it is true at last, given all resources by name; None when the time is over."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (answer := good(self._now)):
                left = deadline - time.monotonic()
                if left <= 0 or not self._thread.is_alive():
                    return None
                self._changed.wait(left)
        return answer

    def _follow(self) -> None:
        """A watch ends after half an hour or with the connection; the next one begins with all that exists."""
        while not self._closed:
            where = ("--all-namespaces",) if self._namespace is None else ("-n", self._namespace)
            arguments = ("get", self.kind, *where, "--watch", "--output-watch-events", "-o", "json")
            with subprocess.Popen(
                self._cluster.command(*arguments),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as process:
                self._process = process
                assert process.stdout
                self._read(process.stdout)

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            event = json.loads(line)
            self._take(event["type"], event["object"])

    def _take(self, what: str, resource: Resource) -> None:
        if what not in {"ADDED", "MODIFIED", "DELETED"}:
            return
        name = resource["metadata"]["name"]
        if self._namespace is None and "namespace" in resource["metadata"]:
            name = f"{resource['metadata']['namespace']}/{name}"
        with self._changed:
            self.history.append((time.time(), what, resource))
            if what == "DELETED":
                self._now.pop(name, None)
            else:
                self._now[name] = resource
            self._changed.notify_all()
        self._told()
