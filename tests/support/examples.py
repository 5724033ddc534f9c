"""An example as a newcomer runs it, with its own resource: to its end, or with a worker killed on the way."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import yaml

from tests.support.processes import ROOT, Run

#: Seconds that one run may take; far above what it needs on a busy machine.
LIMIT = 240.0


def run_example(name: str, source: Path, folder: Path, *, interval: str = "1s", kill: bool = False) -> Path:
    """Run the example on ``source`` to its end; its result, in ``folder``.

    With ``kill`` one worker gets SIGKILL after the first checkpoint; the run must say that it was restarted.
    """
    document = yaml.safe_load((ROOT / "examples" / name / f"{name}.yaml").read_text())
    document["spec"]["job"]["args"] = [str(source), str(folder / "result")]
    document["spec"]["checkpoints"]["interval"] = interval
    document["spec"]["storage"]["checkpoints"] = str(folder / "checkpoints")
    with Run(folder, document) as run:
        if kill:
            run.wait_completed(1)
            assert run.one("worker").signal(signal.SIGKILL)
        assert run.finish(LIMIT) == 0, run.story()
        restarts = re.findall(r" (\d+) restarts", run.stderr)
        assert int(restarts[-1]) >= int(kill), run.story()
    return folder / "result"
