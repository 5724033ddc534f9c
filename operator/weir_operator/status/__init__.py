"""What the resource says: records, conditions and the phase derived from facts, and writing them down.

``records``, ``conditions``, ``lifecycle`` and ``causes`` are pure; ``recorder`` and ``events`` do the writing.
"""

from __future__ import annotations
