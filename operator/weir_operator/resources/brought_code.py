"""A job's code that is not in its image: from a ConfigMap, or an archive that is fetched and verified before the start.

Both appear in the folder of the image that is on Python's path, in every pod that loads the job: JobManager,
TaskManagers and pre-flight pods.
"""

from __future__ import annotations

from dataclasses import dataclass

from weir_operator.errors import PermanentError
from weir_operator.models.pod import Pod
from weir_operator.resources import allowed, amounts, places, pods, security
from weir_operator.resources.allowed import Entry
from weir_operator.resources.pods import Mounted
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject

_CODE = f"{allowed.OURS}code"
_REQUESTS = {"cpu": "100m", "ephemeral-storage": "64Mi", "memory": "256Mi"}
_LIMITS = {"cpu": "1", "ephemeral-storage": "3Gi", "memory": "256Mi"}


@dataclass(frozen=True, slots=True)
class BroughtCode:
    """What a pod needs to have the code."""

    mounted: tuple[Mounted, ...] = ()
    init_containers: tuple[Entry, ...] = ()


def brought(subject: Subject, settings: RenderSettings, said: Pod) -> BroughtCode:
    """Volume and init container for ``job.code``; nothing if the code is in the image. Raises ``PermanentError``."""
    code = subject.spec.job.code
    if code.config_map is not None:
        source = {"configMap": {"name": code.config_map}}
        return BroughtCode((Mounted(name=_CODE, path=places.CODE_FOLDER, source=source),))
    if code.uri is None:
        return BroughtCode()
    if code.sha256 is None:
        raise PermanentError(
            f"spec.job.code.uri is {code.uri} without spec.job.code.sha256: give the archive's SHA-256, "
            "so that every pod runs the same code"
        )
    folder = Mounted(name=_CODE, path=places.CODE_FOLDER, source={"emptyDir": {"sizeLimit": "2Gi"}})
    fetcher: Entry = {
        "name": "fetch-code",
        "image": pods.image_of(subject, settings),
        "command": list(pods.WEIR),
        "args": ["fetch-code", code.uri, code.sha256, places.CODE_FOLDER],
        "env": allowed.environment(said, pods.environment(subject)),
        "resources": amounts.complete(None, _REQUESTS, _LIMITS),
        "volumeMounts": [*pods.writable(), {"name": _CODE, "mountPath": places.CODE_FOLDER}],
        "securityContext": security.of_container(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **pods.pull_policy(said, settings),
    }
    return BroughtCode((folder,), (fetcher,))
