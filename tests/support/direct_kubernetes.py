"""The operator's client of the API server without a network: it calls the fake server as a function."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from tests.support.fake_kubernetes import Call, FakeKubernetes
from weir_operator.clients.kinds import Kind
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.leadership import Unled
from weir_operator.clients.pacing import Pacer
from weir_operator.clients.refusals import refusal


class DirectKubernetes(Kubernetes):
    """``listener`` is told of each call, as that of a real client is."""

    def __init__(self, server: FakeKubernetes, **options: Any) -> None:
        super().__init__(cast("Any", None), Pacer(1e9, 1000, time.monotonic), Unled(), **options)
        self._server = server

    async def _send(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str],
        body: Any,
        headers: Any,
        seconds: float,
    ) -> dict[str, Any]:
        content = headers.get("Content-Type", "")
        status, answer = self._server.answer(Call(method, path, dict(query), body, content))
        self._listener(method, kind.name, status, 0.0)
        if status >= 300:
            raise refusal(path, status, b"{}", None)
        return answer
