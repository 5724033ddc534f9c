"""Options that several commands have, and the rule of all command modules: they are light.

A module with a command holds its declaration only, and imports what does the work when it is called: so that help and
completion answer at once.
"""

from __future__ import annotations

import click

#: ``-o``: text for people, JSON for programs.
output_option = click.option(
    "-o", "output", type=click.Choice(["text", "json"]), default="text", help="Form of the answer."
)
#: ``--config``: a layer of settings.
config_option = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(),
    help="File of settings, below the environment. Default: the one that WEIR_CONFIG names.",
)
