"""Runtime operators: what stands between a user function and a stream. Built by ``api``, driven by ``taskmanager``."""
