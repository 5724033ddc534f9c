"""What ``weir config explain`` says: type, default, effective value and origin of settings, for a shell or for a job.

The layers come from ``weir.config.layers``; for a job its code is loaded (in a child process, as the JobManager does),
since it is a layer too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from weir.cli.plan import plan_resource
from weir.cli.resource import SETTING_FIELDS, JobResource, read_target, settings_of_flags
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


def explained(
    key: str | None,
    target: str | None,
    args: Sequence[str],
    config: str | None,
    settings: Sequence[str],
    *,
    json: bool,
) -> str:
    """The answer of the command. Raises ``ConfigError`` for an unknown key, or as :func:`read_target` does."""
    if key is not None:
        explain(key, ())  # an unknown key is told before a job is loaded
    flags = Layer(Origin.FLAG, *settings_of_flags(settings))
    if target is None:
        layers = [file_layer(os.environ, config), environment_layer(os.environ), flags]
    else:
        layers = _of_job(read_target(target, args, config=config), flags)
    found = [_facts(explain(name, layers)) for name in (OPTIONS if key is None else [key])]
    if json:
        return msgspec.json.format(msgspec.json.encode(found if key is None else found[0])).decode() + "\n"
    if key is not None:
        return "\n".join(_text(found[0])) + "\n"
    rows = [(facts.key, facts.value, str(facts.origin), facts.place) for facts in found]
    return "\n".join(table([("KEY", "VALUE", "ORIGIN", ""), *rows])) + "\n"


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
