"""Writes the reference pages that are made from the code: ``python docs/generate.py`` (``make docs``).

``settings.md`` comes from ``weir.config.OPTIONS``, ``command-line.md`` from the commands' own help. A test compares the
pages with what this script would write.
"""

from __future__ import annotations

from pathlib import Path

import click

from weir.cli.main import weir
from weir.cli.resource import SETTING_FIELDS
from weir.config import OPTIONS
from weir.config.options import environment_key

REFERENCE = Path(__file__).resolve().parent / "reference"

_SETTINGS_HEAD = """\
# Settings

Any of these may stand in a configuration file (`--config`, `WEIR_CONFIG`), under `spec.config` of a StreamJob, in an environment
variable, in the job's code (`env.set_config(key, value)` and the calls that wrap it), in the field of the StreamJob that is named with it, or on
the command line (`weir run --set KEY=VALUE`). Who wins, lowest first: default, configuration file, `spec.config`, environment, code, a field that
is set, a flag. `weir config explain KEY --for job.yaml` says what holds for a job, and where it comes from.

Durations are written `500ms`, `10s`, `1h30m`. An unknown key is refused with the nearest one, a wrong value with what is accepted.
"""
_COMMANDS_HEAD = """\
# The command line

Data goes to stdout, everything else to stderr. Exit codes: 0 good, 1 a failed job or a refusal, 2 wrong usage, 130 interrupted.
Credentials for `s3://` come from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, the endpoint from `storage.s3` or
`AWS_ENDPOINT_URL`. `WEIR_LOG_LEVEL` (default `ERROR` in `weir run`) shows the log of the processes.
"""
_WIDTH = 100


def settings() -> str:
    """``settings.md``."""
    fields: dict[str, list[str]] = {}
    for field, key in SETTING_FIELDS.items():
        fields.setdefault(key, []).append(f"`{field}`")
    lines = [_SETTINGS_HEAD]
    for option in OPTIONS.values():
        lines += [
            f"### `{option.key}`",
            "",
            option.description,
            "",
            f"Accepts {option.kind.accepted}. Default: {_code(option.kind.show(option.default))}. "
            f"Variable: `{environment_key(option.key)}`."
            + (f" Field: {', '.join(fields[option.key])}." if option.key in fields else ""),
            "",
        ]
    return "\n".join(lines)


def _code(text: str) -> str:
    return text if text == "not set" else f"`{text}`"


def command_line() -> str:
    """``command-line.md``."""
    context = click.Context(weir, info_name="weir", terminal_width=_WIDTH, max_content_width=_WIDTH)
    return "\n".join([_COMMANDS_HEAD, *_command(weir, context)])


def _command(command: click.Command, context: click.Context) -> list[str]:
    lines = [f"## `{context.command_path}`", "", "```text", command.get_help(context).rstrip(), "```", ""]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            inner = click.Context(
                below, parent=context, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH
            )
            lines += _command(below, inner)
    return lines


#: What is written, by file name.
PAGES = {"settings.md": settings, "command-line.md": command_line}


def main() -> None:
    """Write all pages."""
    REFERENCE.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make())
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
