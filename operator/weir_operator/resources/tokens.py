"""The bearer token of a run's JobManager, derived rather than kept: the operator never has to read it back.

Whoever holds the operator's key can compute the token of any run; a token tells nothing about the key or other runs.
"""

from __future__ import annotations

import hashlib
import hmac


def rest_token(key: bytes, uid: str, run: int) -> str:
    """HMAC-SHA256 over ``<uid>/<run>``, as 64 hex digits."""
    return hmac.new(key, f"{uid}/{run}".encode(), hashlib.sha256).hexdigest()
