"""Reads what is to be submitted, says what it will do, and applies it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click
import msgspec

from weir.cli.cluster_plan import KIND, Foreseen, foresee
from weir.cli.kubectl import Kubectl
from weir.cli.resource import read_resource
from weir.cli.submission import Described, Submission, of_document, of_script
from weir.cli.submitted_graph import with_graph
from weir.errors import ConfigError, JobLoadError


def submit(target: str, args: Sequence[str], options: Mapping[str, Any]) -> int:
    """The exit code. Raises ``UserError`` for what cannot be read or is refused."""
    described = Described(**{name: options[name] for name in Described.__dataclass_fields__})
    submission = with_graph(read_submission(target, args, described))
    kubectl = Kubectl(options["context"], options["namespace"] or submission.job["metadata"].get("namespace"))
    foreseen = foresee(kubectl, submission)
    _say(foreseen, submission, str(options["output"]))
    if options["dry_run"]:
        return 0
    _apply(kubectl, submission)
    if options["wait_s"] is not None:
        kubectl.wait(KIND, foreseen.name, "Ready", cast("int", options["wait_s"]))
        click.echo(f"weir: StreamJob {foreseen.namespace}/{foreseen.name} is Ready", err=True)
    return 0


def read_submission(target: str, args: Sequence[str] = (), described: Described | None = None) -> Submission:
    """Raises ``ConfigError`` for a wrong file, ``JobLoadError`` for a target that is neither a file nor a script."""
    described = described or Described()
    if target.endswith(".py"):
        return of_script(target, args, described)
    if not target.endswith((".yaml", ".yml")):
        raise JobLoadError(f"{target!r} is neither a StreamJob FILE.yaml nor a script job.py")
    if args or described != Described():
        raise ConfigError(f"{target} says itself what runs; arguments and options belong into the file")
    read_resource(target)  # all its faults, with their lines, before anybody is asked
    import yaml

    with open(target, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    return of_document(document, os.path.dirname(os.path.abspath(target)))


def _say(foreseen: Foreseen, submission: Submission, output: str) -> None:
    if output == "yaml":
        import yaml

        click.echo(yaml.safe_dump_all(submission.documents, sort_keys=False), nl=False)
        click.echo(f"weir: {foreseen.text}", err=True, nl=False)
    elif output == "json":
        click.echo(msgspec.json.encode(foreseen.document).decode())
    else:
        click.echo(foreseen.text, nl=False)


def _apply(kubectl: Kubectl, submission: Submission) -> None:
    applied = kubectl.apply(submission.documents)
    job = next(document for document in applied if document["kind"] == "StreamJob")
    if submission.code is None:
        return
    owner = {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
    }
    # The script goes when its job does.
    kubectl.patch(
        "configmap", submission.code["metadata"]["name"], {"metadata": {"ownerReferences": [owner]}}
    )
