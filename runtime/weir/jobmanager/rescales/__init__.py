"""Another parallelism for a job that runs, and what is remembered of it."""
