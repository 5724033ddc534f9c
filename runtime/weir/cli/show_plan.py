"""``weir plan``: the command. ``plan`` makes the plan, ``restore_preview`` compares it with a snapshot."""

from __future__ import annotations

import click

from weir.cli.main import FAILED
from weir.cli.shared_options import config_option, output_option


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target", type=click.Path())
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--from",
    "restore_from",
    metavar="PATH",
    help="Compare with this checkpoint or savepoint: exit code 1 if the restore would be refused.",
)
@click.option(
    "--cluster",
    is_flag=True,
    help="Say what an apply of TARGET would do in kubectl's cluster; nothing is changed.",
)
@click.option("--allow-non-restored-state", is_flag=True, help="With --from: state may be dropped.")
@config_option
@output_option
def plan(
    target: str,
    args: tuple[str, ...],
    restore_from: str | None,
    cluster: bool,
    allow_non_restored_state: bool,
    config: str | None,
    output: str,
) -> int:
    """Show the plan of TARGET: a StreamJob FILE.yaml, a script job.py, or package.module:function."""
    if cluster:
        return _of_cluster(target, args, output)
    from weir.cli.plan import plan_text
    from weir.cli.restore_preview import plan_with_restore

    as_json = output == "json"
    if restore_from is None:
        text, notes, refused = *plan_text(target, args, json=as_json, config=config), False
    else:
        text, notes, refused = plan_with_restore(
            target, args, restore_from, allowed=allow_non_restored_state, json=as_json, config=config
        )
    for note in notes:
        click.echo(f"weir: {note}", err=True)
    click.echo(text, nl=False)
    if refused:
        click.echo(f"weir: the job would not start from {restore_from}", err=True)
    return FAILED if refused else 0


def _of_cluster(target: str, args: tuple[str, ...], output: str) -> int:
    import msgspec

    from weir.cli.cluster_plan import foresee
    from weir.cli.kubectl import Kubectl
    from weir.cli.submitted_graph import with_graph
    from weir.cli.submitting import read_submission

    submission = with_graph(read_submission(target, args))
    kubectl = Kubectl(namespace=submission.job["metadata"].get("namespace"))
    foreseen = foresee(kubectl, submission)
    click.echo(
        msgspec.json.encode(foreseen.document).decode() + "\n" if output == "json" else foreseen.text,
        nl=False,
    )
    return 0
