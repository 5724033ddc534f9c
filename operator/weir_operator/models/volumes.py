"""Volumes that pods of a job may have, each with its mount in one: an allow-list of sources, all of the same namespace.

There is no host path, no CSI volume by itself and no ServiceAccount token: what is not here cannot be asked for.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import MaxLen, MinLen
from pydantic import Field

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import Check, DefaultText, Rule, matches
from weir_operator.models.label_texts import ARE_ANNOTATIONS, ARE_LABELS
from weir_operator.models.texts import Reference
from weir_operator.models.values import Quantity

#: Paths of a container that are the operator's, or the system's.
RESERVED_PATHS = (
    "/dev",
    "/etc/weir",
    "/opt/weir",
    "/proc",
    "/run/secrets",
    "/sys",
    "/tmp",  # noqa: S108  named, not written to
    "/var/lib/weir",
    "/var/run/secrets",
)


def _is_free(path: str) -> bool:
    return not any(
        f"{path}/".startswith(f"{taken}/") or taken.startswith(f"{path}/") for taken in RESERVED_PATHS
    )


FilePath = Annotated[
    str,
    MinLen(1),
    MaxLen(256),
    matches(
        r"[^/.:][^/:]*(/[^/.:][^/:]*)*",
        "expected a relative path such as conf/app.yaml, no part beginning with a dot",
    ),
]
MountPath = Annotated[
    str,
    MinLen(2),
    MaxLen(256),
    matches(r"(/[^/.: ][^/: ]*)+", "expected an absolute path without '..' and ':', such as /etc/app"),
    Check(
        "would hide or lie in a folder of the operator or the system, such as /etc/weir, /opt/weir or /tmp; mount it elsewhere",
        f"![{', '.join(repr(path) for path in RESERVED_PATHS)}].exists(taken, (self + '/').startsWith(taken + '/') || taken.startsWith(self + '/'))",
        _is_free,
    ),
]
Mode = Annotated[int | None, DefaultText("0644")]
_MODE = "Permission bits of the files, as a number (0644 is 420)."
_OPTIONAL = "Start without it if it is missing; otherwise pods wait for it."


class KeyToPath(SpecModel):
    """One key as one file."""

    key: Annotated[str, MinLen(1), MaxLen(253)] = Field(description="Key of the object.")
    path: FilePath = Field(description="Path of the file in the volume.")
    mode: Annotated[int | None, DefaultText("that of the volume")] = Field(
        default=None, ge=0, le=511, description="Permission bits of the file, as a number."
    )


Items = Annotated[tuple[KeyToPath, ...], MaxLen(32), DefaultText("all keys, by their names")]


class ConfigMapVolume(SpecModel):
    """A ConfigMap as files."""

    name: Reference = Field(description="Name of the ConfigMap.")
    items: Items = Field(default=(), description="Only these keys.")
    default_mode: Mode = Field(default=None, ge=0, le=511, description=_MODE)
    optional: bool = Field(default=False, description=_OPTIONAL)


class SecretVolume(SpecModel):
    """A Secret as files."""

    secret_name: Reference = Field(description="Name of the Secret.")
    items: Items = Field(default=(), description="Only these keys.")
    default_mode: Mode = Field(default=None, ge=0, le=511, description=_MODE)
    optional: bool = Field(default=False, description=_OPTIONAL)


class EmptyDirVolume(SpecModel):
    """An empty folder that lives as long as the pod."""

    medium: Annotated[Literal["", "Memory"], DefaultText("the node's disk")] = Field(
        default="", description="Memory: in memory, which counts against the pod's limit."
    )
    size_limit: Quantity | None = Field(default=None, description="Pods that store more are evicted.")


class ProjectedObject(SpecModel):
    """A Secret or ConfigMap in a projected volume."""

    name: Reference = Field(description="Name of the object.")
    items: Items = Field(default=(), description="Only these keys.")
    optional: bool = Field(default=False, description=_OPTIONAL)


class ProjectedSource(SpecModel):
    """One source of a projected volume; pods of a job have no ServiceAccount token."""

    rules: ClassVar = (
        Rule(
            "a source of a projected volume is either configMap or secret; keep one, or split it up",
            "has(self.configMap) != has(self.secret)",
            lambda source: (source.config_map is None) != (source.secret is None),
        ),
    )

    config_map: ProjectedObject | None = Field(default=None, description="A ConfigMap.")
    secret: ProjectedObject | None = Field(default=None, description="A Secret.")


class ProjectedVolume(SpecModel):
    """Several sources in one folder."""

    sources: Annotated[tuple[ProjectedSource, ...], MinLen(1), MaxLen(16)] = Field(
        description="What is put together."
    )
    default_mode: Mode = Field(default=None, ge=0, le=511, description=_MODE)


class ClaimVolume(SpecModel):
    """A PersistentVolumeClaim of the same namespace."""

    claim_name: Reference = Field(description="Name of the claim.")
    read_only: bool = Field(default=False, description="Mount it read-only.")


class ClaimMetadata(SpecModel):
    """Metadata of an ephemeral claim."""

    labels: Annotated[dict[str, Annotated[str, MaxLen(63)]], MaxLen(32), ARE_LABELS] = Field(
        default={}, description="Labels of the claim."
    )
    annotations: Annotated[dict[str, Annotated[str, MaxLen(4096)]], MaxLen(32), ARE_ANNOTATIONS] = Field(
        default={}, description="Annotations of the claim."
    )


class ClaimResources(SpecModel):
    """Size of an ephemeral claim."""

    requests: Annotated[dict[str, Quantity], MinLen(1), MaxLen(4)] = Field(
        description="Its size, by the key storage: {storage: 10Gi}."
    )


class ClaimSpec(SpecModel):
    """An ephemeral claim."""

    access_modes: Annotated[
        tuple[Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany"], ...], MaxLen(4)
    ] = Field(default=("ReadWriteOnce",), description="How it may be mounted.")
    storage_class_name: Annotated[Reference | None, DefaultText("that of the cluster")] = Field(
        default=None, description="Storage class."
    )
    resources: ClaimResources = Field(description="Size of the volume.")


class ClaimTemplate(SpecModel):
    """Template of an ephemeral claim."""

    metadata: ClaimMetadata = Field(default=ClaimMetadata(), description="Metadata of the claim.")
    spec: ClaimSpec = Field(description="The claim.")


class EphemeralVolume(SpecModel):
    """A volume of its own for each pod."""

    volume_claim_template: ClaimTemplate = Field(description="What each pod claims.")


_SOURCES = ("configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim", "ephemeral")


class Volume(SpecModel):
    """A volume and where it is mounted, in one."""

    rules: ClassVar = (
        Rule(
            f"a volume has exactly one of {', '.join(_SOURCES)}; add the one that is meant, or split it up",
            f"[{', '.join(f'has(self.{name})' for name in _SOURCES)}].filter(given, given).size() == 1",
            lambda volume: (
                [
                    volume.config_map,
                    volume.secret,
                    volume.empty_dir,
                    volume.projected,
                    volume.persistent_volume_claim,
                    volume.ephemeral,
                ].count(None)
                == len(_SOURCES) - 1
            ),
        ),
    )

    name: Annotated[
        str,
        MinLen(1),
        MaxLen(63),
        matches("[a-z0-9]([-a-z0-9]*[a-z0-9])?", "expected lower-case letters, digits and '-'"),
        Check(
            "names that begin with weir- are the operator's; choose another",
            "!self.startsWith('weir-')",
            lambda text: not text.startswith("weir-"),
        ),
    ] = Field(description="Name of the volume; one volume a name.")
    mount_path: MountPath = Field(description="Absolute path in the container where it is mounted.")
    sub_path: Annotated[FilePath | None, DefaultText("the whole volume")] = Field(
        default=None, description="Only this path of the volume."
    )
    read_only: bool = Field(default=False, description="Mount it read-only.")
    config_map: ConfigMapVolume | None = Field(default=None, description="Files of a ConfigMap.")
    secret: SecretVolume | None = Field(default=None, description="Files of a Secret.")
    empty_dir: EmptyDirVolume | None = Field(
        default=None, description="An empty folder that lives as long as the pod."
    )
    projected: ProjectedVolume | None = Field(
        default=None, description="Several sources in one folder; without ServiceAccount tokens."
    )
    persistent_volume_claim: ClaimVolume | None = Field(
        default=None, description="A volume of the namespace that outlives the pod."
    )
    ephemeral: EphemeralVolume | None = Field(
        default=None, description="A new volume for each pod, which ends with it."
    )
