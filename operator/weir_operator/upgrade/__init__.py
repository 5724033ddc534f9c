"""How one run of a job is followed by the next: which snapshot, in which steps, and when to go back.

``choosing`` names the snapshot and says why; ``machine`` is the table of steps that a transition goes through;
``stability`` judges the new run. All of it is pure.
"""

from __future__ import annotations
