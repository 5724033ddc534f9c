"""From a seed to everything that a simulated run is: job, shape, settings, cluster, weather and what happens when."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from tests.simulation.pipelines import Pipeline, Shape, make_pipeline
from weir.ids import JobId
from weir.rpc.messages import JobSpec
from weir.testing.simulation import ClusterOptions, SimulatedJob

#: Virtual seconds in which things go wrong.
TROUBLE = 7.0
ROOT = "memory://simulation"


@dataclass(frozen=True)
class Scenario:
    """One run; all of it follows from the seed."""

    seed: int
    pipeline: Pipeline
    shape: Shape
    cluster: ClusterOptions
    settings: dict[str, str]
    #: What happens: (virtual second, name of a method of ``Chaos``), in order.
    faults: tuple[tuple[float, str], ...]
    slow_messages: float

    @property
    def exactly_once(self) -> bool:
        return self.settings["execution.checkpointing.mode"] == "EXACTLY_ONCE"

    def job(self, shape: Shape | None = None) -> SimulatedJob:
        """What is submitted."""
        shaped = shape or self.shape
        spec = JobSpec(
            name="simulated",
            entrypoint="simulated:build",
            args=shaped.args,
            parallelism=1,
            max_parallelism=8,
            overrides=self.settings,
            checkpoint_storage=ROOT,
        )
        return SimulatedJob(
            JobId("5eed" * 8), spec, lambda given: self.pipeline.load(Shape.of_args(given.args))
        )

    def calm(self) -> Scenario:
        """The same without any faults."""
        return replace(self, faults=())

    def describe(self) -> list[str]:
        """For people."""
        inputs = [
            f"{len(given.rows)} rows, {given.kind}, {given.splits} splits, {given.rate:.0f}/s"
            for given in self.pipeline.inputs
        ]
        return [
            f"seed {self.seed}: {self.pipeline.name} over {'; '.join(inputs)}",
            f"cluster: {self.cluster}",
            *(f"  {key} = {value}" for key, value in self.settings.items()),
            *(f"  at {at:.2f} s: {name}" for at, name in self.faults),
        ]


#: Faults, and how often each is chosen.
_FAULTS = {
    "kill_worker": 6,
    "kill_task_manager": 2,
    "kill_task_manager_silently": 1,
    "kill_jobmanager": 4,
    "freeze_jobmanager": 2,
    "freeze_jobmanager_and_replace": 4,
    "freeze_worker": 2,
    "freeze_task_manager": 2,
    "cut_session": 2,
    "silence_session": 2,
    "break_data_stream": 2,
    "silence_data_stream": 2,
    "storage_storm": 4,
    "slow_storage": 2,
    "slow_messages": 2,
    "jump_clock": 2,
    "poison": 2,
    "resubmit_rescaled": 2,
    "second_jobmanager": 1,
    "ambush_kill": 5,
    "ambush_freeze": 3,
}


def make_scenario(seed: int) -> Scenario:
    """Everything about the run with ``seed``."""
    chance = random.Random(f"scenario {seed}")
    pipeline = make_pipeline(chance)
    task_managers, slots = chance.randint(1, 3), chance.randint(1, 2)
    most = max(1, min(4, task_managers * slots))
    padding = chance.choice([0, 0, 0, 25_000])
    shape = Shape(f"{seed}", most, padding=padding, files=chance.random() < 0.2)
    window = chance.choice([300, 3_000, 512 * 1024])
    interval = chance.choice([0.2, 0.5])
    cluster = ClusterOptions(
        task_managers=task_managers,
        slots=slots,
        heartbeat_interval=interval,
        heartbeat_timeout=interval * 4,
        window_bytes=window,
        gather_rows=chance.choice([5, 1000]),
        data_thread_waits=shape.files or chance.random() < 0.1,
    )
    return Scenario(
        seed=seed,
        pipeline=pipeline,
        shape=shape,
        cluster=cluster,
        settings=_settings(chance),
        faults=_faults(chance),
        slow_messages=chance.choice([0.0, 0.0, 0.05]),
    )


def _settings(chance: random.Random) -> dict[str, str]:
    settings: dict[str, Any] = {
        "execution.checkpointing.interval": f"{chance.choice([50, 200, 200, 500, 1500])}ms",
        "execution.checkpointing.mode": chance.choice(["EXACTLY_ONCE"] * 4 + ["AT_LEAST_ONCE"]),
        "execution.checkpointing.timeout": f"{chance.choice([1, 3, 10])}s",
        "execution.checkpointing.min-pause": f"{chance.choice([0, 0, 100])}ms",
        "execution.checkpointing.max-concurrent-checkpoints": chance.randint(1, 3),
        "execution.checkpointing.tolerable-failed-checkpoints": chance.choice([0, 2, 10]),
        "execution.checkpointing.num-retained": chance.randint(1, 3),
        "state.backend.type": chance.choice(["memory", "filesystem"]),
        "pipeline.operator-chaining.enabled": chance.choice(["true", "true", "false"]),
        "task.cancellation.timeout": f"{chance.choice([1, 5])}s",
        "pipeline.auto-watermark-interval": f"{chance.choice([0, 200])}ms",
    }
    if chance.random() < 0.5:
        settings["restart-strategy.type"] = "fixed-delay"
        settings["restart-strategy.fixed-delay.attempts"] = 1_000_000
        settings["restart-strategy.fixed-delay.delay"] = f"{chance.choice([0, 100, 500])}ms"
    else:
        settings["restart-strategy.type"] = "exponential-delay"
        settings["restart-strategy.exponential-delay.initial-backoff"] = "50ms"
        settings["restart-strategy.exponential-delay.max-backoff"] = "1s"
    return {key: str(value) for key, value in settings.items()}


def _faults(chance: random.Random) -> tuple[tuple[float, str], ...]:
    count = chance.choice([0, 1, 2, 3, 4, 6, 8])
    names = chance.choices(list(_FAULTS), list(_FAULTS.values()), k=count)
    until = chance.choice([1.0, 3.0, TROUBLE])
    return tuple(sorted((chance.uniform(0.0, until), name) for name in names))
