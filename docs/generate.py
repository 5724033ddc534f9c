"""Writes the reference pages that are made from the code: ``python docs/generate.py`` (``make docs``).

``settings.md`` comes from ``weir.config.OPTIONS``, ``command-line.md`` from the commands' own help, ``chart-values.md`` from the chart's schema, ``rest.md`` from the
table of routes, the resources from ``resource_pages``, ``events.md`` from the operator's catalogue, ``crash-points.md`` from the code and the tests, the rest from ``api_pages``. A test compares the pages with what this script would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # run by its path it knows only its own folder

from docs import api_pages, chart_page, crash_page, events_page, resource_pages
from weir.cli.main import weir
from weir.cli.resource import SETTING_FIELDS
from weir.config import OPTIONS
from weir.config.options import environment_key
from weir.jobmanager.rest.exchange import Access
from weir.jobmanager.rest.models.report import Report
from weir.jobmanager.rest.routes import ROUTES
from weir.jobmanager.rest.views.metric_names import BY_ROUTE
from weir.jobmanager.rest.views.prometheus import FAMILIES

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
_REST_HEAD = """\
# REST

`weir run` and `weir serve jobmanager` serve it at `127.0.0.1:8081` or the next free port, or where `--address` says. Paths and field names are
Flink's, so that its clients and dashboards work; every path exists with and without `/v1`. Where Weir tells more than Flink,
the fields stand last. A job is named by its id or its name. No route accepts code.

On loopback all routes are open, to this machine and not to web pages. On any other address everything but the probes needs
`Authorization: Bearer TOKEN`; the token lies in the file that `--rest-token-file` names, which is read again when it changes.

Status codes: 200; 202 for what goes on after the answer; 400 a wrong query or body; 401 no token; 403 a web page of elsewhere; 404 nothing of
that name, with the nearest; 405 another method; 409 not in this state, or an operator steers the job; 413 a body above 1 MiB; 503 about to end. Errors are
`{"errors": ["..."]}`. A request that fails changes nothing.

Each answer to those who may ask has the header `Weir-Version`. REST means the same within a minor release: `weir` refuses a JobManager of
another one (`0.1.x` and `0.2.x`) and names both. JobManager and TaskManagers must be of the very same release; a session begins by comparing them.

A job that an operator started from a StreamJob is cancelled, stopped and rescaled by editing that resource: such a request is answered 409 with the
field's name, unless it carries `Weir-Operator: NAMESPACE/NAME` of the StreamJob, as the operator's do. Savepoints may be taken by anybody.

| method | path | |
|---|---|---|
"""
_REPORT_HEAD = """
## What an operator goes by

`GET /jobs/weir` (or `/jobs/:job/weir`) says in one answer what the operator of a StreamJob must know. Times are milliseconds of wall time, a snapshot is
`{"path", "id", "completedAtMs", "bytes"}`; what is not known is `null`.

| field | |
|---|---|
"""
_REPORT = {
    "run": "Number of the workloads that this process is in; `null`: it was started by hand.",
    "instance": "Another one: another process.",
    "jobId": "The StreamJob's uid without dashes.",
    "name": "The StreamJob's name.",
    "namespace": "The StreamJob's namespace.",
    "state": "Flink's job state.",
    "epoch": "Of the fence; `null`: nothing is claimed.",
    "tail": "Number of the last record of the fence log, as far as this process proved it.",
    "ending": "The record by which the job ended: `Stopped` (with a savepoint), `Finished`, `Cancelled`, `Failed`, `Superseded`.",
    "parallelism": "Of the plan.",
    "maxParallelism": "Number of key groups.",
    "slotsRequired": "Slots that the plan needs, or a rescale under way.",
    "slotsAvailable": "Slots that the job has or could have.",
    "taskManagersRequired": "TaskManagers for `slotsRequired`, by `spec.taskManager.slots`.",
    "taskManagers": "Those that are registered, by host: in a cluster the names of their pods.",
    "idleTaskManagers": "Those of them in which no subtask is; a job that shrinks gives these up.",
    "runningSinceMs": "Since when all subtasks run; `null`: not all do.",
    "restored": "The snapshot that the newest attempt started from.",
    "lastCheckpoint": "The newest of `retained`.",
    "retained": "Completed checkpoints that exist, newest last.",
    "lastSavepoint": "The newest savepoint of this process, or the one that the job was stopped with.",
    "failures": "Newest last: `class` (`User`, `Infrastructure`, `Storage`), `fingerprint`, `message`, `atMs`, `operator`, `traceback`, `taskManager`.",
    "restarts": "Attempts after the first that a failure made necessary.",
    "failedCheckpoints": "Periodic checkpoints that failed in a row.",
    "startRefused": "`{expected, found}`: the log had another tail than the start was planned for; nothing is claimed until `POST /activate`, or by a new run.",
    "restoreBlocked": "`{reason, choices}`: nothing is claimed, since every way on loses or repeats something.",
    "skipped": "`{path, reason}` each: damaged snapshots that were passed over for what was restored; nothing was committed in between.",
    "standby": "`{ready}`: the job waits for `POST /activate`; ready when its plan and its slots are there.",
    "waitingForStorage": "Why the claim is being repeated.",
    "slowEdge": "Which edge holds rows up, and whether its receiver or the link is slow; empty: none does. `/jobs/:id` has it with figures.",
    "requests": "What was asked for at this process: `trigger`, `kind`, `state` (`InProgress`, `Completed`, `Failed`), `snapshot`, `failure`, `startedAtMs`.",
    "certificates": "Slots of certificates that this process has: `slot`, `notBeforeMs` (presented from then on), `notAfterMs`, `everywhere` (every registered TaskManager takes them, too). Empty where gRPC is open.",
    "notes": "For people.",
}
_METRICS_HEAD = """
## Metrics

`/metrics` has these for Prometheus. Labels: `job` and `job_id`; for subtasks also `operator` (the chain's name), `vertex` (its id)
and `subtask`. Busy, idle and back-pressured time of a subtask add up to the time that passed. Counters of subtasks begin anew with each attempt.
Bytes are those that flow control counts: encoded, or estimated where rows go by reference within a process.

| name | type | |
|---|---|---|
"""
_NAMES_HEAD = """
## Metrics by Flink's names

The routes that end in `/metrics` give the names of what there is; `?get=a,b` gives values. `/jobs/:job/vertices/:vertex/metrics` puts
the subtask's index before each name (`0.numRecordsIn`), `.../subtasks/metrics` gives `min`, `max`, `avg` and `sum` over all subtasks. What cannot
be known now is left out: rates of a subtask that does not run, the lag of a source without timestamps.

Not there: `pendingRecords` (no source of Weir says what is left), `watermarkAlignmentDrift` (no watermark alignment), latencies of single
state accesses (off by default in Flink too).
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
    # With the group's own settings, as when it is run: click keeps the help option that is asked for first.
    context = click.Context(
        weir, info_name="weir", terminal_width=_WIDTH, max_content_width=_WIDTH, **weir.context_settings
    )
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


def rest() -> str:
    """``rest.md``."""
    lines = [_REST_HEAD.rstrip()]
    for route in ROUTES:
        path = route.path.replace("{", ":").replace("}", "")
        text = (route.handler.__doc__ or "").replace("``", "`")
        free = " Needs no token." if route.access is Access.PROBE else ""
        lines.append(f"| {route.method} | `{path}` | {text}{free} |")
    lines.append(_REPORT_HEAD.rstrip())
    assert list(_REPORT) == [field.encode_name for field in msgspec.structs.fields(Report)]
    lines += [f"| `{name}` | {text} |" for name, text in _REPORT.items()]
    lines.append(_METRICS_HEAD.rstrip())
    lines += [f"| `{family.name}` | {family.kind} | {family.help} |" for family in FAMILIES]
    lines.append(_NAMES_HEAD.rstrip())
    for path, rows in BY_ROUTE.items():
        lines += ["", f"`{path}`:", "", "| name | unit | |", "|---|---|---|"]
        lines += [f"| `{row.name}` | {row.unit} | {row.text} |" for row in rows]
    return "\n".join(lines) + "\n"


#: What is written, by file name.
PAGES = {
    "settings.md": settings,
    "command-line.md": command_line,
    "rest.md": rest,
    "stream-job.md": resource_pages.stream_job,
    "stream-job-snapshot.md": resource_pages.stream_job_snapshot,
    "events.md": events_page.events,
    "chart-values.md": chart_page.chart_values,
    "python.md": api_pages.python_api,
    "testing.md": api_pages.testing_api,
    "state-reader.md": api_pages.state_reader_api,
    "crash-points.md": crash_page.crash_points,
}


def main() -> None:
    """Write all pages."""
    REFERENCE.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make())
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
