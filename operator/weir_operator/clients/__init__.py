"""The only rooms with I/O of their own: the API server, the JobManagers' REST, the Lease.

What they raise is a TemporaryError or a PermanentError, so that whoever calls knows what to do next.
"""

from __future__ import annotations
