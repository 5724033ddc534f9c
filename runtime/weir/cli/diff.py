"""``weir diff``: what differs between two snapshots, key by key."""

from __future__ import annotations

import click

from weir.cli.shared_options import output_option


@click.command()
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
@click.option("--operator", "uid", metavar="UID", help="Of this operator only, by its uid.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Changes of each state to show; all are counted.",
)
@output_option
def diff(before: str, after: str, uid: str | None, limit: int, output: str) -> int:
    """Show what AFTER has otherwise than BEFORE, key by key; both are checkpoints or savepoints, local or URIs.

    None of the job's code is loaded: records are shown as dicts, pickled values are only found to be the same or not. State of
    one operator at a time is held in memory. Nothing on stdout: there is no difference.
    """
    from weir.cli import diff_text

    found = diff_text.compared(before, after, uid, limit)
    click.echo(diff_text.text_of(found, json=output == "json"), nl=False)
    return 0
