"""Reads what ``weir run`` and ``weir plan`` are given: a StreamJob file, a script, or ``module:build``.

A file is checked strictly and as a whole: all faults at once, each with line, path and the nearest known key. Set
fields become settings above the job's code; a configuration file, ``spec.config`` and ``WEIR_*`` variables settings
below it: each is a layer that ``weir config explain`` can name. What only a
cluster has is ignored and said in ``notes``. A relative script is looked for beside the file first; relative
folders under ``storage`` belong to the working folder, as ``args`` do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs

from weir.cli.resource_schema import RESTART_FIELDS, check
from weir.config import Layer, Origin, environment_layer, file_layer, merged, options, places, setting_text
from weir.config.yaml_entries import Entry, Fault, listed, read_document
from weir.errors import ConfigError, JobLoadError
from weir.rpc.messages import JobSpec
from weir.storage import S3Options, absolute_uri

_STREAM_JOB = "a StreamJob (apiVersion, kind, metadata, spec)"

#: Fields that are settings, by path.
SETTING_FIELDS = {
    "spec.job.parallelism": options.PARALLELISM.key,
    "spec.job.maxParallelism": options.MAX_PARALLELISM.key,
    "spec.checkpoints.interval": options.CHECKPOINT_INTERVAL.key,
    "spec.checkpoints.mode": options.CHECKPOINT_MODE.key,
    "spec.checkpoints.timeout": options.CHECKPOINT_TIMEOUT.key,
    "spec.checkpoints.minPause": options.CHECKPOINT_MIN_PAUSE.key,
    "spec.checkpoints.maxConcurrent": options.MAX_CONCURRENT_CHECKPOINTS.key,
    "spec.checkpoints.tolerableFailures": options.TOLERABLE_FAILED_CHECKPOINTS.key,
    "spec.checkpoints.unaligned": options.UNALIGNED.key,
    "spec.checkpoints.alignedTimeout": options.ALIGNED_TIMEOUT.key,
    "spec.checkpoints.retained": options.CHECKPOINTS_RETAINED.key,
    "spec.checkpoints.onCancel": options.CHECKPOINT_RETENTION.key,
    "spec.stateBackend.type": options.STATE_BACKEND.key,
    "spec.stateBackend.incremental": options.INCREMENTAL.key,
    "spec.restart.strategy": options.RESTART_STRATEGY.key,
    "spec.restart.attempts": options.FIXED_ATTEMPTS.key,
    "spec.restart.initial": options.EXPONENTIAL_INITIAL.key,
    "spec.restart.max": options.EXPONENTIAL_MAX.key,
    "spec.restart.multiplier": options.EXPONENTIAL_MULTIPLIER.key,
    "spec.restart.resetAfter": options.EXPONENTIAL_RESET.key,
    "spec.restart.jitter": options.EXPONENTIAL_JITTER.key,
    "spec.restart.failures": options.RATE_FAILURES.key,
    "spec.restart.interval": options.RATE_INTERVAL.key,
    "spec.taskManager.slots": options.TASK_SLOTS.key,
    "spec.storage.checkpoints": options.CHECKPOINT_DIRECTORY.key,
    "spec.storage.savepoints": options.SAVEPOINT_DIRECTORY.key,
}
#: ``spec.restart.delay`` means another setting for each strategy that has it.
_DELAYS = {"FixedDelay": options.FIXED_DELAY.key, "FailureRate": options.RATE_DELAY.key}

#: What only a cluster has: the beginning of a path, and why it is ignored here.
CLUSTER_ONLY = {
    "metadata.namespace": "jobs of this machine are in the namespace local",
    "spec.image": "the job runs in this Python environment",
    "spec.paused": "there is no operator here",
    "spec.job.code": "the code is taken from this machine",
    "spec.job.state": "the job is started because you asked for it",
    "spec.storage.s3.credentialsSecret": "credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "spec.restore.snapshot": "there are no StreamJobSnapshots here; use spec.restore.from or --from",
    "spec.restore.nonce": "there is no operator here",
    "spec.upgrade": "there is no operator here",
    "spec.snapshots": "there is no operator here",
    "spec.deletionPolicy": "there is no operator here",
    "spec.jobManager.resources": "there are no pods here",
    "spec.jobManager.pod": "there are no pods here",
    "spec.taskManager.resources": "there are no pods here",
    "spec.taskManager.pod": "there are no pods here",
    "spec.taskManager.localStorage": "there are no pods here",
}


@dataclass(frozen=True)
class JobResource:
    """A job to run on this machine."""

    spec: JobSpec
    #: From ``storage.s3``; credentials and gaps come from ``AWS_*`` variables.
    s3: S3Options = field(default_factory=S3Options)
    savepoint_storage: str | None = None
    #: Slots of each TaskManager, if it was said.
    slots: int | None = None
    #: ``Resume``, ``Refuse`` or ``Fresh``: what to do with state found under this name.
    restore_policy: str = "Resume"
    #: ``metadata.namespace`` and ``metadata.uid``, as a cluster fills them in.
    namespace: str | None = None
    uid: str | None = None
    #: What was ignored, and why; for people.
    notes: tuple[str, ...] = ()
    #: Who sets what, lowest first: below the job's code, and above it.
    below_code: tuple[Layer, ...] = ()
    above_code: tuple[Layer, ...] = ()

    def with_flags(self, settings: Mapping[str, str], flags: Mapping[str, str]) -> JobResource:
        """The job with settings of the command line, the highest layer; ``flags`` names the flag of each."""
        above = (*self.above_code, Layer(Origin.FLAG, settings, flags))
        spec = structs.replace(
            self.spec, overrides=merged(above), places={**places(self.below_code), **places(above)}
        )
        return replace(self, spec=spec, above_code=above)


def read_target(
    target: str,
    args: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
) -> JobResource:
    """The job that a command line names: ``FILE.yaml``, ``job.py`` or ``module:build``, with ``args``.

    ``config`` is the configuration file, by default the one that ``WEIR_CONFIG`` names. Raises ``ConfigError`` for a wrong file, ``JobLoadError`` for a target that is none of the three.
    """
    if target.endswith((".yaml", ".yml")):
        if args:
            raise ConfigError(f"{target}: arguments ({' '.join(args)}) belong into spec.job.args of the file")
        return read_resource(target, environ, config)
    script = target.endswith(".py")
    if not script and ":" not in target:
        raise JobLoadError(
            f"{target!r} is no job; name a FILE.yaml, a script job.py or package.module:function"
        )
    here = os.getcwd()
    stem = (
        os.path.splitext(os.path.basename(target))[0] if script else target.partition(":")[0].split(".")[-1]
    )
    environ = os.environ if environ is None else environ
    below = (file_layer(environ, config), environment_layer(environ))
    spec = JobSpec(
        name=stem,
        entrypoint=os.path.abspath(target) if script else target,
        target=os.path.relpath(target) if script else target,
        named_after_code=True,
        args=tuple(args),
        python_path=(here,),
        defaults=merged(below),
        places=places(below),
        checkpoint_storage=merged(below).get(options.CHECKPOINT_DIRECTORY.key),
    )
    return JobResource(spec, below_code=below)


def read_resource(
    path: str,
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
    code_folder: str | None = None,
) -> JobResource:
    """The job that a StreamJob file describes; its code is looked for in ``code_folder``, by default beside the file.

    Raises ``ConfigError`` with every fault of the file, each as ``file:line: path: what is wrong``.
    """
    document = read_document(path, _STREAM_JOB)
    for name, wanted in (("apiVersion", "weir.dev/v1alpha1"), ("kind", "StreamJob")):
        entry = document.value.get(name)
        if entry is not None and entry.value != wanted:
            raise ConfigError(f"{path}:{entry.line}: {name} is {entry.value!r}, expected {wanted}")
    found, faults = check(document)
    own = _layer(path, Origin.CONFIG, _config_keys(found), found, faults)
    fields = _layer(path, Origin.RESOURCE, _field_keys(found, faults), found, faults)
    _check_parallelism(found, faults)
    if faults:
        raise ConfigError(listed(path, faults))
    environ = os.environ if environ is None else environ
    below = (file_layer(environ, config), own, environment_layer(environ))
    values = {name: entry.value for name, entry in found.items()}
    return _resource(code_folder or os.path.dirname(os.path.abspath(path)), values, below, (fields,))


def _resource(
    folder: str, values: dict[str, Any], below: tuple[Layer, ...], above: tuple[Layer, ...]
) -> JobResource:
    defaults, overrides = merged(below), merged(above)
    entrypoint = values["spec.job.entrypoint"]
    beside = os.path.join(folder, entrypoint)
    if entrypoint.endswith(".py"):
        entrypoint = beside if os.path.exists(beside) else os.path.abspath(entrypoint)
    spec = JobSpec(
        name=values["metadata.name"],
        entrypoint=entrypoint,
        target=os.path.relpath(entrypoint) if entrypoint.endswith(".py") else entrypoint,
        args=tuple(values.get("spec.job.args", ())),
        python_path=tuple(dict.fromkeys((folder, os.getcwd()))),
        parallelism=values.get("spec.job.parallelism", options.PARALLELISM.default),
        max_parallelism=values.get("spec.job.maxParallelism", options.MAX_PARALLELISM.default),
        defaults=defaults,
        overrides=overrides,
        places={**places(below), **places(above)},
        checkpoint_storage={**defaults, **overrides}.get(options.CHECKPOINT_DIRECTORY.key),
        allow_non_restored_state=values.get("spec.job.allowNonRestoredState", False),
        restore_from=_uri(values.get("spec.restore.from")),
    )
    return JobResource(
        spec=spec,
        s3=S3Options(
            endpoint=values.get("spec.storage.s3.endpoint"), region=values.get("spec.storage.s3.region")
        ),
        savepoint_storage=overrides.get(options.SAVEPOINT_DIRECTORY.key),
        slots=values.get("spec.taskManager.slots"),
        restore_policy=values.get("spec.restore.policy", "Resume"),
        namespace=values.get("metadata.namespace"),
        uid=values.get("metadata.uid"),
        notes=_notes(values),
        below_code=below,
        above_code=above,
    )


def _uri(uri: str | None) -> str | None:
    """A relative folder is one of the working folder, as with ``args``; a URI stays."""
    if uri is None or "://" in uri:
        return uri
    return absolute_uri(os.path.join(os.getcwd(), uri))


def _notes(values: dict[str, Any]) -> tuple[str, ...]:
    said: dict[str, str] = {}
    for name in values:
        for start, reason in CLUSTER_ONLY.items():
            if name == start or name.startswith(start + "."):
                said[start] = f"{start} is ignored: {reason}"
    return tuple(said.values())


# ---- settings


def settings_of_flags(
    settings: Sequence[str], parallelism: int | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Settings of a command line (``--set KEY=VALUE``, ``--parallelism``), and by key the flag. Raises ``ConfigError``."""
    found: dict[str, str] = {}
    flags: dict[str, str] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set {setting}: expected KEY=VALUE")
        found[key] = setting_text(key, value)
        flags[key] = "--set"
    if parallelism is not None:
        found[options.PARALLELISM.key] = setting_text(options.PARALLELISM.key, parallelism)
        flags[options.PARALLELISM.key] = "--parallelism"
    return found, flags


def _config_keys(found: dict[str, Entry]) -> dict[str, str]:
    """The keys of ``spec.config``, by path."""
    lead = "spec.config."
    return {name: name.removeprefix(lead) for name in found if name.startswith(lead)}


def _field_keys(found: dict[str, Entry], faults: list[Fault]) -> dict[str, str]:
    """The key of each field that is a setting, by the field's path."""
    strategy = _restart_strategy(found, faults)
    keys = {name: SETTING_FIELDS[name] for name in found if name in SETTING_FIELDS}
    if "spec.restart.delay" in found and strategy in _DELAYS:
        keys["spec.restart.delay"] = _DELAYS[strategy]
    return keys


def _layer(
    path: str, origin: Origin, keys: dict[str, str], found: dict[str, Entry], faults: list[Fault]
) -> Layer:
    """The settings that stand in the file under these paths."""
    settings: dict[str, str] = {}
    for name, key in keys.items():
        entry = found[name]
        value = (_uri(entry.value) or "") if name.startswith("spec.storage.") else entry.value
        try:
            settings[key] = setting_text(key, value)
        except ConfigError as error:
            lead = "spec.config" if origin is Origin.CONFIG else name
            said = str(error) if origin is Origin.CONFIG else str(error).removeprefix(key + ": ")
            faults.append(Fault(entry.line, f"{lead}: {said}"))
    return Layer(origin, settings, {key: f"{path}:{found[name].line}, {name}" for name, key in keys.items()})


def _restart_strategy(found: dict[str, Entry], faults: list[Fault]) -> str:
    """The strategy of ``spec.restart``; a field of another strategy is a fault."""
    entry = found.get("spec.restart.strategy")
    strategy = "ExponentialDelay" if entry is None else str(entry.value)
    for name, owners in RESTART_FIELDS.items():
        given = found.get(f"spec.restart.{name}")
        if given is not None and strategy not in owners:
            faults.append(
                Fault(
                    given.line,
                    f"spec.restart.{name}: belongs to the strategy {' or '.join(owners)}, but the strategy is "
                    f"{strategy}{'' if entry is not None else ' (the default)'}",
                )
            )
    return strategy


def _check_parallelism(found: dict[str, Entry], faults: list[Fault]) -> None:
    given = found.get("spec.job.parallelism")
    limit = found.get("spec.job.maxParallelism")
    most = options.MAX_PARALLELISM.default if limit is None else limit.value
    if given is not None and given.value > most:
        default = " (the default)" if limit is None else ""
        faults.append(
            Fault(
                given.line,
                f"spec.job.parallelism: is {given.value}, but spec.job.maxParallelism is {most}{default}; lower the "
                "first or raise the second",
            )
        )
