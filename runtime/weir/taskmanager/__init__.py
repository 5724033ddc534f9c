"""The data plane: supervisors with their worker processes, and the task loop that runs in each worker."""
