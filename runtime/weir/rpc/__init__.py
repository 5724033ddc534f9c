"""Every message between processes, and the two ends of the wire.

``messages`` (sessions and workers) and ``requests`` (clients) are data; ``codec`` turns them into bytes and
frames; ``server`` and ``client`` carry them by gRPC and are the only modules that import it; ``links`` is what the
two ends of a session look like to everybody else; ``lifeline`` ends a process when its parent is gone. Import
the modules: nothing heavy is loaded with this package.
"""

import os

# What gRPC logs by itself repeats, in its own words, what we report as errors.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

__all__: list[str] = []
