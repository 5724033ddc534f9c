"""``weir plan``: the command; ``plan`` makes the text."""

from __future__ import annotations

import click

from weir.cli.plan import plan_text


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", help="Form of the answer.")
def plan(target: str, args: tuple[str, ...], output: str) -> None:
    """Show the plan of TARGET: a StreamJob FILE.yaml, a script job.py, or package.module:function."""
    text, notes = plan_text(target, args, json=output == "json")
    for note in notes:
        click.echo(f"weir: {note}", err=True)
    click.echo(text, nl=False)
