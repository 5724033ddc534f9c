"""Checkpoints: when they are taken, what completes them, where they lie, and what a job restores.

``coordinator`` decides and a shell in the JobManager carries its instructions out with ``store`` and ``fence``;
``recovery`` and ``retention`` decide what is restored and what may be deleted; ``metadata`` and ``paths`` are the
format. Tasks use only ``store.write_state`` and ``store.read_state``. Other rooms import the modules by name.
"""
