"""``weir submit``: the command; ``submitting`` does the work, and is imported when there is some."""

from __future__ import annotations

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target", type=click.Path())
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("--name", help="Name of the StreamJob. Default: the script's.")
@click.option("--image", help="Image of the pods. Default: the operator's own.")
@click.option("--parallelism", type=click.IntRange(1), help="Subtasks of an operator.")
@click.option("--interval", metavar="DURATION", help="Of checkpoints. Default: there are none.")
@click.option("--checkpoints", metavar="URI", help="Where checkpoints go.")
@click.option("--savepoints", metavar="URI", help="Where savepoints go.")
@click.option("--s3-endpoint", metavar="URL", help="Of the object store, for s3:// folders.")
@click.option("--credentials-secret", metavar="NAME", help="Secret with access-key and secret-key.")
@click.option("--namespace", "-n", help="Default: that of the context.")
@click.option("--context", help="Of kubectl. Default: the current one.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and apply nothing.")
@click.option("--wait", "wait_s", type=int, metavar="SECONDS", help="Wait until the job is Ready.")
@click.option(
    "-o",
    "output",
    type=click.Choice(["text", "json", "yaml"]),
    default="text",
    help="Form of the answer; yaml: the manifests.",
)
def submit(target: str, args: tuple[str, ...], **options: object) -> int:
    """Apply TARGET to a cluster by kubectl: a StreamJob FILE.yaml, or a script job.py with ARGS, which needs no image of its own.

    The script travels in a ConfigMap. What the change asks for is said before it is made.
    """
    from weir.cli.submitting import submit as work

    return work(target, args, options)
