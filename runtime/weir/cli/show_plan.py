"""``weir plan``: the command. ``plan`` makes the plan, ``restore_preview`` compares it with a snapshot."""

from __future__ import annotations

from dataclasses import replace

import click
import msgspec
from msgspec import structs

from weir.cli.main import FAILED
from weir.cli.plan import plan_resource
from weir.cli.resource import CONFIG_HELP, JobResource, read_target
from weir.cli.restore_preview import RestorePreview, preview, preview_text
from weir.graph.codec import to_json
from weir.graph.physical import PhysicalPlan
from weir.graph.render import render


class PlanWithRestore(msgspec.Struct, frozen=True, kw_only=True):
    """What ``weir plan --from PATH -o json`` prints."""

    plan: PhysicalPlan
    restore: RestorePreview


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target", type=click.Path())
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--from",
    "restore_from",
    metavar="PATH",
    help="Compare with this checkpoint or savepoint: exit code 1 if the restore would be refused.",
)
@click.option("--allow-non-restored-state", is_flag=True, help="With --from: state may be dropped.")
@click.option("--config", metavar="FILE", type=click.Path(), help=CONFIG_HELP)
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", help="Form of the answer.")
def plan(
    target: str,
    args: tuple[str, ...],
    restore_from: str | None,
    allow_non_restored_state: bool,
    config: str | None,
    output: str,
) -> int:
    """Show the plan of TARGET: a StreamJob FILE.yaml, a script job.py, or package.module:function."""
    resource = read_target(target, args, config=config)
    for note in resource.notes:
        click.echo(f"weir: {note}", err=True)
    if restore_from is not None:
        return _with_restore(resource, restore_from, allow_non_restored_state, output)
    planned = plan_resource(resource)
    click.echo(to_json(planned.plan) + "\n" if output == "json" else render(planned.plan), nl=False)
    return 0


def _with_restore(resource: JobResource, path: str, allowed: bool, output: str) -> int:
    if allowed:
        resource = replace(resource, spec=structs.replace(resource.spec, allow_non_restored_state=True))
    planned = plan_resource(resource)
    found = preview(planned, path)
    if output == "json":
        both = PlanWithRestore(plan=planned.plan, restore=found)
        click.echo(msgspec.json.format(msgspec.json.encode(both)).decode())
    else:
        click.echo(render(planned.plan))
        click.echo(preview_text(found), nl=False)
    if found.refused is None:
        return 0
    click.echo(f"weir: the job would not start from {found.snapshot}", err=True)
    return FAILED
