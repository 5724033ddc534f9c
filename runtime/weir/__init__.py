"""Weir: a stateful stream processor for Python that lives in Kubernetes.

This module is the public facade: what a job imports comes from here (``from weir import FileSource``),
and everything that is not in ``__all__`` may change without notice.
"""

from __future__ import annotations

__version__ = "0.1.0.dev0"

__all__ = ["__version__"]
