"""Real operator processes against the fake API server, for what happens between the two."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.fake_kubernetes import Body, FakeKubernetes
from tests.support.ports import free_ports
from tests.support.waiting import until

JOBS = "weir.dev/v1alpha1/streamjobs"

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: fake
clusters: [{{name: fake, cluster: {{server: "{url}"}}}}]
users: [{{name: user, user: {{token: abc}}}}]
contexts: [{{name: fake, context: {{cluster: fake, user: user}}}}]
"""


def stream_job(name: str, namespace: str = "default", **spec: Any) -> Body:
    """A StreamJob that is valid."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "job": {"entrypoint": "flights.job:build"},
            "checkpoints": {"interval": "10s"},
            "storage": {"checkpoints": "s3://weir/checkpoints", "savepoints": "s3://weir/savepoints"},
            **spec,
        },
    }


class OperatorProcess:
    """One replica."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, probe: str) -> None:
        self.process, self._log, self._probe = process, log, probe

    @property
    def name(self) -> str:
        """As it stands in the Lease."""
        return self._log.stem

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def end(self) -> int:
        """As Kubernetes ends a pod."""
        if self.alive:
            self.process.terminate()
        return await self.process.wait()

    async def probe(self, path: str) -> tuple[int, str]:
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{self._probe}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def complaint(self) -> tuple[int, str]:
        """What the liveness probe says as soon as it complains."""

        async def complains() -> tuple[int, str] | None:
            answer = await self.probe("/healthz")
            return None if answer[0] == 200 else answer

        answer = await until(complains, lambda: f"the probe complains; {self.log}", poll=0.2)
        assert answer is not None
        return answer


class Replicas:
    """Starts operators; all are ended with the test."""

    def __init__(self, fake: FakeKubernetes, url: str, folder: Path) -> None:
        self.fake, self._folder = fake, folder
        self._processes: list[OperatorProcess] = []
        (folder / "kubeconfig").write_text(KUBECONFIG.format(url=url))
        (folder / "key").write_text("k" * 40)

    async def start(self, name: str = "one", **settings: str) -> OperatorProcess:
        """``settings`` without the prefix ``WEIR_OPERATOR_``."""
        [port] = free_ports(1)
        log = self._folder / f"{name}.log"
        env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("WEIR_OPERATOR_")},
            "KUBECONFIG": str(self._folder / "kubeconfig"),
            "WEIR_OPERATOR_KEY_FILE": str(self._folder / "key"),
            "WEIR_OPERATOR_IDENTITY": name,
            "WEIR_OPERATOR_PROBE_ADDRESS": f"127.0.0.1:{port}",
            "WEIR_OPERATOR_METRICS_ADDRESS": f"127.0.0.1:{port}",
            **{f"WEIR_OPERATOR_{key.upper()}": value for key, value in settings.items()},
        }
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "weir_operator",
                env=env,
                stdout=sink,
                stderr=sink,
                stdin=asyncio.subprocess.DEVNULL,
            )
        operator = OperatorProcess(process, log, f"http://127.0.0.1:{port}")
        self._processes.append(operator)
        return operator

    async def end(self) -> None:
        for operator in self._processes:
            if operator.alive:
                operator.thaw()
                await operator.kill()


@contextlib.asynccontextmanager
async def replicas(folder: Path) -> AsyncIterator[Replicas]:
    """A fake API server, and operators to start against it."""
    fake = FakeKubernetes()
    url = await fake.start()
    started = Replicas(fake, url, folder)
    try:
        yield started
    finally:
        await started.end()
        await fake.stop()
