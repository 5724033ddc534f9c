"""Networks of their own on this machine (Linux, root), for tests of what a network does."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack

from tests.support.waiting import wait_for


class Namespace:
    """A network of its own, as long as a process of ours is in it."""

    def __init__(self, stack: ExitStack) -> None:
        process = stack.enter_context(
            subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        )
        stack.callback(process.kill)
        self.pid = process.pid
        mine = os.readlink("/proc/self/ns/net")
        wait_for(lambda: os.readlink(f"/proc/{self.pid}/ns/net") != mine, "it has a network of its own")
        self.run("ip", "link", "set", "lo", "up")

    def entered(self, *command: str) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--net", "--", *command]

    def run(self, *command: str, text: str | None = None) -> str:
        done = subprocess.run(
            self.entered(*command), input=text, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout
