"""The process beside the data: a supervisor that starts workers, watches whether they move, and says why one ended."""
