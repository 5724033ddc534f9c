"""The graph of a script that is submitted: planned here, from the script alone as its pods will have it, and remembered with the StreamJob."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from weir.cli.plan import plan_resource
from weir.cli.resource import read_resource
from weir.cli.submission import Submission
from weir.errors import UserError
from weir.graph import changes

#: Characters; what is larger would make the StreamJob too large, and is not remembered.
MAX_GRAPH = 64_000


def with_graph(submission: Submission) -> Submission:
    """The submission with its graph; with why not, where the script cannot be planned on this machine (its imports may be in the image)."""
    if submission.code is None:
        return submission
    import yaml

    with tempfile.TemporaryDirectory(prefix="weir-submit-") as folder:
        for name, text in submission.code["data"].items():
            Path(folder, name).write_text(text, encoding="utf-8")
        file = Path(folder, "job.yaml")
        job = submission.job["spec"]["job"]
        alone = {**job, "entrypoint": str(Path(folder, job["entrypoint"]))}
        spec = {**submission.job["spec"], "job": alone}
        file.write_text(yaml.safe_dump({**submission.job, "spec": spec}), encoding="utf-8")
        try:
            planned = plan_resource(read_resource(str(file)))
        except UserError as error:
            return replace(submission, unknown=str(error).splitlines()[0].replace(f"{folder}/", ""))
    text = changes.encode(changes.outline(planned.plan))
    if len(text) > MAX_GRAPH:
        return replace(submission, unknown=f"its outline has {len(text)} characters, more than {MAX_GRAPH}")
    return submission.with_graph(text)
