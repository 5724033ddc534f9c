"""The command line ``weir``: reads targets and StreamJob files, talks to a JobManager, shows what it says."""
