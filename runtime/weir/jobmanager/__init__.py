"""The control plane: one asyncio process that plans, schedules, checkpoints and restarts jobs, and touches no record.

What decides is pure (``lifecycle``, ``slots.slot_matching``); ``job`` carries out what ``job_state`` orders,
``dispatcher`` holds the jobs and the pool of slots, ``sessions`` the TaskManagers. Begin reading at ``job``.
"""

__all__: list[str] = []
