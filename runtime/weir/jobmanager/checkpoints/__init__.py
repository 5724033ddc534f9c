"""A job's checkpoints and savepoints: what the coordinator orders is carried out, what subtasks answer is told to it."""
