"""``weir run``: the command; ``run_job`` does the work, and is imported when there is some."""

from __future__ import annotations

import click

from weir.cli.shared_options import config_option, output_option


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target", type=click.Path())
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--name",
    metavar="NAME",
    help="Name of the job, under which its state is found again. Default: the file's, the script's or the module's.",
)
@click.option("--parallelism", type=click.IntRange(1), help="Subtasks of an operator.")
@click.option(
    "--slots",
    type=click.IntRange(1),
    help="Worker processes of each TaskManager. Default: one TaskManager with as many as the job needs.",
)
@click.option("--from", "restore_from", metavar="PATH", help="Checkpoint or savepoint to start from.")
@click.option(
    "--claim-mode",
    type=click.Choice(["no-claim", "claim"]),
    help="What becomes of that snapshot: it stays as it is (default), or is this job's, which deletes it in time.",
)
@click.option("--allow-non-restored-state", is_flag=True, help="Drop state that no operator claims.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting by its key.")
@config_option
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Where REST is served. Default: 127.0.0.1:8081 or the next free port.",
)
@click.option(
    "--rest-token-file",
    metavar="FILE",
    type=click.Path(),
    help="Bearer token that REST asks for; needed on an address that others can reach.",
)
@click.option(
    "--one-process", is_flag=True, help="Run everything in this process, for a debugger; no restarts."
)
@output_option
def run(
    target: str,
    args: tuple[str, ...],
    name: str | None,
    parallelism: int | None,
    slots: int | None,
    restore_from: str | None,
    claim_mode: str | None,
    allow_non_restored_state: bool,
    settings: tuple[str, ...],
    config: str | None,
    address: str | None,
    rest_token_file: str | None,
    one_process: bool,
    output: str,
) -> int:
    """Run TARGET on this machine: a StreamJob FILE.yaml, a script job.py, or package.module:function, with ARGS."""
    if target.startswith("-"):
        from weir.config import nearest

        near = nearest(target, [option for each in run.params for option in each.opts])
        raise click.UsageError(f"no such option {target}" + (f"; did you mean {near}?" if near else ""))
    if one_process and address is not None:
        raise click.UsageError("--address and --one-process exclude each other: one process serves no REST")
    from weir.cli.run_job import RunFlags, run_job

    if claim_mode is not None:
        from weir.config import options

        settings = (*settings, f"{options.CLAIM_MODE.key}={claim_mode.replace('-', '_').upper()}")
    flags = RunFlags(
        name=name,
        parallelism=parallelism,
        slots=slots,
        restore_from=restore_from,
        allow_non_restored_state=allow_non_restored_state,
        settings=settings,
        config=config,
        address=address,
        rest_token_file=rest_token_file,
        one_process=one_process,
        output=output,
    )
    return run_job(target, args, flags)
