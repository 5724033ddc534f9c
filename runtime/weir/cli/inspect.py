"""``weir inspect``: the command; ``inspecting`` looks at what is there."""

from __future__ import annotations

import click

from weir.cli.shared_options import output_option


@click.command()
@click.argument("path", type=click.Path())
@click.option(
    "--records",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Of a job's folder: newest records of the fence log to read.",
)
@output_option
def inspect(path: str, records: int, output: str) -> int:
    """Show what PATH holds: a checkpoint or savepoint (its folder or _metadata), or a job's checkpoint folder.

    PATH is local or a URI; s3:// is reached by the AWS_* variables. Every file is compared with its recorded size and
    sha256; exit code 1 if anything is damaged.
    """
    from weir.cli import inspecting

    facts = inspecting.look_at(path, records)
    click.echo(inspecting.text_of(facts, json=output == "json"), nl=False)
    return inspecting.exit_code(facts)
