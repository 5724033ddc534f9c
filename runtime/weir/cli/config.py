"""``weir config explain``: type, default, effective value and origin of settings, for this shell or for a job.

The layers come from ``weir.config.layers``; with ``--for`` the job is loaded (in a child process, as the JobManager does),
since its code is a layer too.
"""

from __future__ import annotations

import os

import click
import msgspec

from weir.cli.plan import plan_resource
from weir.cli.resource import CONFIG_HELP, SETTING_FIELDS, JobResource, read_target, settings_of_flags
from weir.cli.text import table
from weir.config import (
    OPTIONS,
    Explanation,
    Layer,
    Origin,
    environment_layer,
    explain,
    file_layer,
)
from weir.config.options import environment_key


class SaidFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one layer says."""

    origin: Origin
    place: str
    value: str


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One setting, as ``-o json`` prints it."""

    key: str
    description: str
    type: str
    default: str
    value: str
    origin: Origin
    place: str
    #: Layers that set it too and lost, highest first.
    overruled: tuple[SaidFacts, ...]
    environment: str  #: the variable that sets it
    field: str | None  #: the field of a StreamJob that sets it


@click.group()
def config() -> None:
    """Settings: what they are, what holds, and who said so."""


@config.command(name="explain")
@click.argument("key", required=False, shell_complete=lambda _ctx, _param, typed: _completed(typed))
@click.option("--for", "target", metavar="TARGET", help="The job whose settings hold; it is loaded, not run.")
@click.option("--arg", "args", multiple=True, metavar="ARG", help="Argument of the job; may be repeated.")
@click.option("--config", "config_file", metavar="FILE", type=click.Path(), help=CONFIG_HELP)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="As if given to weir run.")
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text", help="Form of the answer.")
def explain_command(
    key: str | None,
    target: str | None,
    args: tuple[str, ...],
    config_file: str | None,
    settings: tuple[str, ...],
    output: str,
) -> None:
    """Explain the setting KEY: type, default, what holds, where it comes from; without KEY all of them, as a table.

    Who wins, lowest first: built-in default, configuration file, spec.config, environment, the job's code, a field of
    the StreamJob, a flag.
    """
    if key is not None:
        explain(key, ())  # an unknown key is told before a job is loaded
    flags = Layer(Origin.FLAG, *settings_of_flags(settings))
    if target is None:
        layers = [file_layer(os.environ, config_file), environment_layer(os.environ), flags]
    else:
        layers = _of_job(read_target(target, args, config=config_file), flags)
    wanted = OPTIONS if key is None else [key]
    found = [_facts(explain(name, layers)) for name in wanted]
    if output == "json":
        answer = msgspec.json.encode(found if key is None else found[0])
        click.echo(msgspec.json.format(answer).decode())
    elif key is None:
        rows = [(facts.key, facts.value, str(facts.origin), facts.place) for facts in found]
        click.echo("\n".join(table([("KEY", "VALUE", "ORIGIN", ""), *rows])))
    else:
        click.echo("\n".join(_text(found[0])))


def _of_job(resource: JobResource, flags: Layer) -> list[Layer]:
    """All layers of a job. Raises ``JobLoadError`` when its code cannot be loaded."""
    planned = plan_resource(resource.with_flags(flags.settings, flags.places))
    code = Layer(Origin.CODE, planned.code)
    return [*resource.below_code, code, *resource.above_code, flags]


def _facts(found: Explanation) -> KeyFacts:
    option = found.option
    fields = [field for field, key in SETTING_FIELDS.items() if key == option.key]
    return KeyFacts(
        key=option.key,
        description=option.description,
        type=option.kind.accepted,
        default=found.default,
        value=found.value,
        origin=found.origin,
        place=found.place,
        overruled=tuple(
            SaidFacts(origin=said.origin, place=said.place, value=said.value) for said in found.said[1:]
        ),
        environment=environment_key(option.key),
        field=fields[0] if fields else None,
    )


def _text(facts: KeyFacts) -> list[str]:
    place = f" ({facts.place})" if facts.place else ""
    rows = [
        ("type", facts.type),
        ("default", facts.default),
        ("value", facts.value),
        ("origin", f"{facts.origin}{place}"),
        *(("overruled", f"{said.value} from {said.origin} ({said.place})") for said in facts.overruled),
        ("variable", facts.environment),
        *([("field", facts.field)] if facts.field else []),
    ]
    return [facts.key, f"  {facts.description}", *table(rows, indent=2)]


def _completed(typed: str) -> list[str]:
    return [key for key in OPTIONS if key.startswith(typed)]
