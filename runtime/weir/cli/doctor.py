"""``weir doctor``: the commands; ``doctoring`` does the work."""

from __future__ import annotations

import click

from weir.cli.shared_options import output_option


@click.group()
def doctor() -> None:
    """Judge what a job depends on, before it does."""


@doctor.command()
@click.argument("uri", type=click.Path())
@click.option("--skip-large", is_flag=True, help="Leave out the check that writes 64 MiB.")
@output_option
def storage(uri: str, skip_large: bool, output: str) -> int:
    """Judge whether checkpoints are safe at URI: file:///FOLDER, a plain folder, or s3://BUCKET/PREFIX.

    Creates objects of its own there (also 32 at once under one name), reads, lists, renames and removes them; s3:// is
    reached by the AWS_* variables. Exit code 1 if the store breaks a promise that Weir relies on.
    """
    from weir.cli.doctoring import examine_storage

    return examine_storage(uri, large=not skip_large, json=output == "json")
