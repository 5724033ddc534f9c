"""Reads what ``weir run`` and ``weir plan`` are given: a StreamJob file, a script, or ``module:build``.

A file is checked strictly and as a whole: all faults at once, each with line, path and the nearest known key. Set
fields become settings above the job's code, ``spec.config`` and ``WEIR_*`` variables settings below it. What only a
cluster has is ignored and said in ``notes``. A relative script is looked for beside the file first; relative
folders under ``storage`` belong to the working folder, as ``args`` do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from weir.cli.resource_schema import RESTART_FIELDS, Entry, Fault, check
from weir.config import options, setting_text, settings_from_environment
from weir.errors import ConfigError, JobLoadError
from weir.rpc.messages import JobSpec
from weir.storage import S3Options, absolute_uri

#: Fields that are settings, by path.
_SETTINGS = {
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
}
_DELAYS = {"FixedDelay": options.FIXED_DELAY.key, "FailureRate": options.RATE_DELAY.key}

#: What only a cluster has: the beginning of a path, and why it is ignored here.
_CLUSTER_ONLY = {
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
    #: What was ignored, and why; for people.
    notes: tuple[str, ...] = ()


def read_target(
    target: str, args: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> JobResource:
    """The job that a command line names: ``FILE.yaml``, ``job.py`` or ``module:build``, with ``args``.

    Raises ``ConfigError`` for a wrong file, ``JobLoadError`` for a target that is none of the three.
    """
    if target.endswith((".yaml", ".yml")):
        if args:
            raise ConfigError(f"{target}: arguments ({' '.join(args)}) belong into spec.job.args of the file")
        return read_resource(target, environ)
    script = target.endswith(".py")
    if not script and ":" not in target:
        raise JobLoadError(
            f"{target!r} is no job; name a FILE.yaml, a script job.py or package.module:function"
        )
    here = os.getcwd()
    stem = (
        os.path.splitext(os.path.basename(target))[0] if script else target.partition(":")[0].split(".")[-1]
    )
    return JobResource(
        JobSpec(
            name=stem,
            entrypoint=os.path.abspath(target) if script else target,
            args=tuple(args),
            python_path=(here,),
            defaults=settings_from_environment(os.environ if environ is None else environ),
        )
    )


def read_resource(path: str, environ: Mapping[str, str] | None = None) -> JobResource:
    """The job that a StreamJob file describes.

    Raises ``ConfigError`` with every fault of the file, each as ``file:line: path: what is wrong``.
    """
    document = _document(path)
    for name, wanted in (("apiVersion", "weir.dev/v1alpha1"), ("kind", "StreamJob")):
        entry = document.value.get(name)
        if entry is not None and entry.value != wanted:
            raise ConfigError(f"{path}:{entry.line}: {name} is {entry.value!r}, expected {wanted}")
    found, faults = check(document)
    defaults = _config(found, faults)
    overrides = _overrides(found, faults)
    _check_parallelism(found, faults)
    if faults:
        raise ConfigError(_listed(path, faults))
    values = {name: entry.value for name, entry in found.items()}
    environment = settings_from_environment(os.environ if environ is None else environ)
    return _resource(os.path.dirname(os.path.abspath(path)), values, {**defaults, **environment}, overrides)


def _resource(
    folder: str, values: dict[str, Any], defaults: dict[str, str], overrides: dict[str, str]
) -> JobResource:
    checkpoints = _uri(values.get("spec.storage.checkpoints"))
    savepoints = _uri(values.get("spec.storage.savepoints"))
    for uri, option in (
        (checkpoints, options.CHECKPOINT_DIRECTORY),
        (savepoints, options.SAVEPOINT_DIRECTORY),
    ):
        if uri is not None:
            overrides[option.key] = uri
    entrypoint = values["spec.job.entrypoint"]
    beside = os.path.join(folder, entrypoint)
    if entrypoint.endswith(".py"):
        entrypoint = beside if os.path.exists(beside) else os.path.abspath(entrypoint)
    spec = JobSpec(
        name=values["metadata.name"],
        entrypoint=entrypoint,
        args=tuple(values.get("spec.job.args", ())),
        python_path=tuple(dict.fromkeys((folder, os.getcwd()))),
        parallelism=values.get("spec.job.parallelism", options.PARALLELISM.default),
        max_parallelism=values.get("spec.job.maxParallelism", options.MAX_PARALLELISM.default),
        defaults=defaults,
        overrides=overrides,
        checkpoint_storage=checkpoints or defaults.get(options.CHECKPOINT_DIRECTORY.key),
        allow_non_restored_state=values.get("spec.job.allowNonRestoredState", False),
        restore_from=_uri(values.get("spec.restore.from")),
    )
    return JobResource(
        spec=spec,
        s3=S3Options(
            endpoint=values.get("spec.storage.s3.endpoint"), region=values.get("spec.storage.s3.region")
        ),
        savepoint_storage=savepoints,
        slots=values.get("spec.taskManager.slots"),
        restore_policy=values.get("spec.restore.policy", "Resume"),
        notes=_notes(values),
    )


def _uri(uri: str | None) -> str | None:
    """A relative folder is one of the working folder, as with ``args``; a URI stays."""
    if uri is None or "://" in uri:
        return uri
    return absolute_uri(os.path.join(os.getcwd(), uri))


def _notes(values: dict[str, Any]) -> tuple[str, ...]:
    said: dict[str, str] = {}
    for name in values:
        for start, reason in _CLUSTER_ONLY.items():
            if name == start or name.startswith(start + "."):
                said[start] = f"{start} is ignored: {reason}"
    return tuple(said.values())


# ---- settings


def _config(found: dict[str, Entry], faults: list[Fault]) -> dict[str, str]:
    """The settings of ``spec.config``."""
    settings: dict[str, str] = {}
    lead = "spec.config."
    for name, entry in found.items():
        if name.startswith(lead):
            try:
                settings[name.removeprefix(lead)] = setting_text(name.removeprefix(lead), entry.value)
            except ConfigError as error:
                faults.append(Fault(entry.line, f"spec.config: {error}"))
    return settings


def _overrides(found: dict[str, Entry], faults: list[Fault]) -> dict[str, str]:
    """The settings of fields that are set."""
    settings: dict[str, str] = {}
    strategy = _restart_strategy(found, faults)
    for name, entry in found.items():
        key = _DELAYS.get(strategy) if name == "spec.restart.delay" else _SETTINGS.get(name)
        if key is None:
            continue
        try:
            settings[key] = setting_text(key, entry.value)
        except ConfigError as error:
            faults.append(Fault(entry.line, f"{name}: {str(error).removeprefix(key + ': ')}"))
    return settings


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


# ---- reading

_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def _listed(path: str, faults: list[Fault]) -> str:
    lines = [f"{path}:{fault.line}: {fault.text}" for fault in sorted(faults, key=lambda fault: fault.line)]
    return lines[0] if len(lines) == 1 else f"{path} has {len(lines)} faults:\n  " + "\n  ".join(lines)


def _document(path: str) -> Entry:
    """The one document of the file, with lines. Raises ``ConfigError``."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    try:
        loader = yaml.SafeLoader(text)
        documents = [_entry(loader, node, path) for node in _nodes(loader)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigError(f"{path}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    documents = [document for document in documents if document.value is not None]
    if len(documents) != 1:
        places = ", ".join(f"line {document.line}" for document in documents)
        raise ConfigError(
            f"{path} has {len(documents)} documents ({places}), expected one StreamJob"
            if documents
            else f"{path} is empty, expected a StreamJob"
        )
    if not isinstance(documents[0].value, dict):
        raise ConfigError(
            f"{path}:{documents[0].line}: expected a StreamJob (apiVersion, kind, metadata, spec)"
        )
    return documents[0]


def _nodes(loader: yaml.SafeLoader) -> list[yaml.Node]:
    nodes = []
    while loader.check_node():
        node = loader.get_node()
        if node is not None:
            nodes.append(node)
    return nodes


def _entry(loader: yaml.SafeLoader, node: yaml.Node, path: str) -> Entry:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_TAGS:
        raise ConfigError(f"{path}:{line}: not YAML: the tag {node.tag} is not allowed")
    if isinstance(node, yaml.MappingNode):
        _check_twice(loader, node, path)
        loader.flatten_mapping(node)
        fields: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            key = str(loader.construct_object(key_node, deep=True))
            fields[key] = Entry(_entry(loader, value_node, path).value, key_node.start_mark.line + 1)
        return Entry(fields, line)
    if isinstance(node, yaml.SequenceNode):
        return Entry([_entry(loader, item, path) for item in node.value], line)
    return Entry(loader.construct_object(node, deep=True), line)


def _check_twice(loader: yaml.SafeLoader, node: yaml.MappingNode, path: str) -> None:
    """A key that is written twice; YAML would silently take the last."""
    seen: dict[str, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key, at = str(loader.construct_object(key_node, deep=True)), key_node.start_mark.line + 1
        if key in seen:
            raise ConfigError(f"{path}:{at}: {key} is there twice, first in line {seen[key]}")
        seen[key] = at
