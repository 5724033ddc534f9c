"""What the command line does in a cluster goes through the user's own kubectl: with their context and with their rights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from weir.errors import UserError

Document = dict[str, Any]
#: Seconds that one call may take, beside what it is told to wait.
_SECONDS = 60.0


class Refused(UserError):
    """The cluster does not take it, or kubectl cannot ask it; what kubectl said is the message."""


class Kubectl:
    """kubectl, for one context and namespace (None: those that kubectl uses by itself)."""

    def __init__(self, context: str | None = None, namespace: str | None = None) -> None:
        self._options = [f"--context={context}"] if context else []
        self._options += [f"--namespace={namespace}"] if namespace else []

    def find(self, kind: str, name: str) -> Document | None:
        """The object as the API server has it; None: there is none."""
        text = self._run("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def apply(self, documents: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> list[Document]:
        """The objects as they are then, or as they would be. Raises ``Refused`` with all that the API server says."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
        options = ["--dry-run=server"] if dry_run else []
        answer: Document = json.loads(self._run("apply", *options, "-f", "-", "-o", "json", text=text))
        return list(answer["items"]) if answer.get("kind") == "List" else [answer]

    def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> None:
        """A merge patch."""
        self._run("patch", kind, name, "--type=merge", "-p", json.dumps(patch))

    def wait(self, kind: str, name: str, condition: str, seconds: int) -> None:
        """Until the condition is True. Raises ``Refused`` when it is not within so many seconds."""
        until = (f"{kind}/{name}", f"--for=condition={condition}", f"--timeout={seconds}s")
        self._run("wait", *until, seconds=seconds + _SECONDS)

    def _run(self, *arguments: str, text: str | None = None, seconds: float = _SECONDS) -> str:
        program = os.environ.get("KUBECTL") or shutil.which("kubectl")
        if not program:
            raise Refused("there is no kubectl on the PATH; install it, or name it in KUBECTL")
        try:
            done = subprocess.run(
                [program, *self._options, *arguments],
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except OSError as error:
            raise Refused(f"{program} cannot be started: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise Refused(f"kubectl {arguments[0]} gave no answer within {seconds:.0f} s") from error
        if done.returncode != 0:
            raise Refused(done.stderr.strip() or f"kubectl {arguments[0]} failed")
        return done.stdout
