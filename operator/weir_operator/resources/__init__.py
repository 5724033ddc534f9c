"""From a StreamJob's spec to manifests, purely: the same input always gives the same objects (certificates apart).

Other rooms use ``run`` (a run's objects and what runs share), ``services.rest``, ``errands`` (short-lived pods),
``revisions``, ``tokens``, and go by ``names`` and ``labels``. Everything is a plain dict for server-side apply, owned by
the StreamJob. Pods pass the ``restricted`` profile whatever the spec says.
"""

from __future__ import annotations
