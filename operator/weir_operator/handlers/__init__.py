"""Where things begin: kopf's watches, the workers that they wake, what a leader runs, probes.

Nothing is decided here. kopf brings events and is asked for nothing else: no finalizers, no annotations, no retries.
"""

from __future__ import annotations
