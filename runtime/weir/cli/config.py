"""``weir config``: the commands; ``explaining`` does the work."""

from __future__ import annotations

import click

from weir.cli.shared_options import config_option, output_option


def _completed(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    from weir.config import OPTIONS

    return [key for key in OPTIONS if key.startswith(typed)]


@click.group(name="config")
def config_group() -> None:
    """Settings: what they are, what holds, and who said so."""


@config_group.command(name="explain")
@click.argument("key", required=False, shell_complete=_completed)
@click.option(
    "--for",
    "target",
    type=click.Path(),
    metavar="TARGET",
    help="The job whose settings hold; it is loaded, not run.",
)
@click.option("--arg", "args", multiple=True, metavar="ARG", help="Argument of the job; may be repeated.")
@config_option
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="As if given to weir run.")
@output_option
def explain_command(
    key: str | None,
    target: str | None,
    args: tuple[str, ...],
    config: str | None,
    settings: tuple[str, ...],
    output: str,
) -> None:
    """Explain the setting KEY: type, default, what holds, where it comes from; without KEY all of them, as a table.

    Who wins, lowest first: built-in default, configuration file, spec.config, environment, the job's code, a field of
    the StreamJob, a flag.
    """
    from weir.cli.explaining import explained

    click.echo(explained(key, target, args, config, settings, json=output == "json"), nl=False)
