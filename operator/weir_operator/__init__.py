"""The Kubernetes operator of Weir: ``StreamJob`` resources to running jobs.

It meets the engine only at the JobManager's REST API and at the checkpoint layout in object storage;
it never imports ``weir``. So far it holds only the errors that its handlers will speak in.
"""

from __future__ import annotations
