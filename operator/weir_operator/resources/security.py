"""Security contexts of job pods: the ``restricted`` pod security profile, a read-only root, no token.

No field of a StreamJob reaches these dicts; what a user may say about pods is merged below them (``pod_template``).
"""

from __future__ import annotations

from typing import Any

from weir_operator.resources.settings import RenderSettings


def of_pod(settings: RenderSettings) -> dict[str, Any]:
    """``securityContext`` of a pod."""
    context: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if settings.run_as_user is not None:
        user = settings.run_as_user
        # The group owns mounted Secrets, so that they need not be readable by everybody.
        context |= {
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
        }
    return context


def of_container() -> dict[str, Any]:
    """``securityContext`` of each container, init containers too."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }
