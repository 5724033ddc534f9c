"""Runs a job in the foreground, on a cluster of this machine: what ``weir run`` does.

Reads the target, starts the cluster, submits, shows how the job fares, and ends with a summary. Ctrl-C suspends the job
at its last completed checkpoint, from which the same command goes on; a second Ctrl-C ends everything at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import click
import msgspec
from msgspec import structs

from weir.cli import run_report
from weir.cli.interruption import terminate_as_interrupt
from weir.cli.main import FAILED, INTERRUPTED
from weir.cli.resource import JobResource, read_target, settings_of_flags
from weir.config import CONFIG_VARIABLE, options
from weir.errors import ConfigError
from weir.ids import JobId
from weir.jobmanager.main import DEFAULT_REST
from weir.local.cluster import LocalCluster
from weir.local.one_process import run_in_one_process
from weir.rpc.logs import log_to_stderr
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus
from weir.storage import absolute_uri

#: Where checkpoints go if nobody says.
DEFAULT_CHECKPOINTS = ".weir/checkpoints"
_POLL = 0.2
#: A lock is a file of the job's name and a few letters; file systems take 255.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class RunFlags:
    """The command line of ``weir run``, without the target and its arguments."""

    name: str | None = None
    parallelism: int | None = None
    slots: int | None = None
    restore_from: str | None = None
    allow_non_restored_state: bool = False
    settings: tuple[str, ...] = ()
    config: str | None = None
    address: str | None = None
    rest_token_file: str | None = None
    one_process: bool = False
    output: str = "text"


def run_job(target: str, args: tuple[str, ...], flags: RunFlags) -> int:
    """Run a job to its end, or to Ctrl-C; the exit code."""
    if flags.config is not None:  # also for the processes of the cluster
        os.environ[CONFIG_VARIABLE] = os.path.abspath(flags.config)
    settings, places = settings_of_flags(flags.settings, flags.parallelism)
    resource = read_target(target, args).with_flags(settings, places)
    spec = _with_flags(named(resource.spec, flags.name), settings, flags)
    for note in resource.notes:
        click.echo(f"weir: {note}", err=True)
    if flags.one_process:
        os.environ.update(_environment(resource))
        log_to_stderr()
        status, interrupted = run_in_one_process(spec, restore_policy=resource.restore_policy), False
    else:
        with terminate_as_interrupt(), _cluster(flags, resource) as cluster:
            click.echo(f"weir: REST at http://{cluster.rest_address}", err=True)
            status, interrupted = _watch(cluster, spec, resource.restore_policy)
    if flags.output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(status)).decode())
    for line in run_report.summary(status, interrupted=interrupted):
        click.echo(line, err=True)
    if interrupted:
        return INTERRUPTED
    return 0 if status.state is JobState.FINISHED else FAILED


def _watch(cluster: LocalCluster, spec: JobSpec, restore_policy: str) -> tuple[JobStatus, bool]:
    """Submit and follow the job to its end, or to Ctrl-C; its last status."""
    with run_report.progress() as shown:
        job: JobId | None = None
        try:
            job = cluster.submit(spec, restore_policy)
            while True:
                status = cluster.status(job)
                shown.update(status)
                if status.state.is_settled:
                    cluster.forget(job)
                    return status, False
                time.sleep(_POLL)
        except KeyboardInterrupt:
            if job is None:
                raise
            shown.say("weir: stopping at the last completed checkpoint (Ctrl-C again ends at once)")
            status = _suspend(cluster, job)
            shown.say_notes(status)
            return status, True


def _suspend(cluster: LocalCluster, job: JobId) -> JobStatus:
    try:
        cluster.suspend(job)
        return cluster.status(job)
    except KeyboardInterrupt:
        cluster.close(at_once=True)
        raise


def _cluster(flags: RunFlags, resource: JobResource) -> LocalCluster:
    return LocalCluster(
        slots=flags.slots or resource.slots,
        environment=_environment(resource),
        rest=flags.address or DEFAULT_REST,
        rest_token_file=flags.rest_token_file,
    )


def _environment(resource: JobResource) -> dict[str, str]:
    """What the processes of the job find in their environment."""
    environment = {"WEIR_LOG_LEVEL": os.environ.get("WEIR_LOG_LEVEL", "ERROR")}
    if resource.s3.endpoint:
        environment["AWS_ENDPOINT_URL"] = resource.s3.endpoint
    if resource.s3.region:
        environment["AWS_REGION"] = resource.s3.region
    return environment


def named(spec: JobSpec, name: str | None) -> JobSpec:
    """The job under ``name``, if one is given. Raises ``ConfigError`` for a name under which no state can be kept."""
    text = spec.name if name is None else name
    fits = text.isprintable() and "/" not in text and text not in (".", "..")
    if not fits or not 0 < len(quote(text)) <= _LONGEST_NAME:
        raise ConfigError(
            f"{text!r} cannot be a job's name, which is part of the names of files: it has printable characters without '/', "
            f"and at most {_LONGEST_NAME}; give one by --name"
        )
    return spec if name is None else structs.replace(spec, name=name, named_after_code=False)


def _with_flags(spec: JobSpec, settings: Mapping[str, str], flags: RunFlags) -> JobSpec:
    changes: dict[str, Any] = {"overrides": dict(spec.overrides)}
    folder = settings.get(options.CHECKPOINT_DIRECTORY.key) or spec.checkpoint_storage or DEFAULT_CHECKPOINTS
    changes["checkpoint_storage"] = absolute_uri(folder)
    if options.CHECKPOINT_DIRECTORY.key in settings:
        changes["overrides"][options.CHECKPOINT_DIRECTORY.key] = changes["checkpoint_storage"]
    if flags.restore_from is not None:
        changes["restore_from"] = absolute_uri(flags.restore_from)
    if flags.allow_non_restored_state:
        changes["allow_non_restored_state"] = True
    return structs.replace(spec, **changes)
