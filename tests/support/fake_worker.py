"""A worker process without a data plane: it says that it is ready, and obeys words in the job's name.

Run as ``python -m tests.support.fake_worker`` by a supervisor under test. The name of the deployed job says what
happens: ``run``, ``exit-3``, ``hang``, ``segv``, ``echo``.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import socket
import struct
import sys
import time

from weir.rpc import codec, lifeline, messages


def main() -> None:
    lifeline.follow_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker-id")
    parser.add_argument("--control-fd", type=int)
    parser.add_argument("--progress-fd", type=int)
    parser.add_argument("--trace-fd", type=int)
    options = parser.parse_args()
    faulthandler.register(signal.SIGUSR1, file=options.trace_fd)
    faulthandler.enable(file=options.trace_fd)
    control = socket.socket(fileno=options.control_fd)
    ready = messages.WorkerReady(worker=options.worker_id, pid=os.getpid(), data_address="127.0.0.1:1")
    control.sendall(codec.frame(codec.encode(ready)))
    frames = codec.FrameReader()
    while data := control.recv(65536):
        for payload in frames.feed(data):
            obey(codec.decode_to_worker(payload), control, options.progress_fd)


def obey(message: messages.ToWorkerMessage, control: socket.socket, progress: int) -> None:
    if isinstance(message, messages.CancelTasks):
        say(control, messages.TasksCancelled(execution=message.execution))
    if not isinstance(message, messages.Deploy):
        return
    os.pwrite(progress, struct.pack("<QQ112s", 7, 1, b"'count' (uid c)"), 0)
    for task in message.tasks:
        running = messages.TaskRunning(execution=message.execution, vertex=task.vertex, index=task.index)
        say(control, running)
    print("said on stderr", file=sys.stderr, flush=True)
    if message.job.name == "exit-3":
        os._exit(3)
    if message.job.name == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if message.job.name == "hang":
        hang_in_user_code()
    os.pwrite(progress, struct.pack("<QQ112s", 8, 0, b""), 0)


def hang_in_user_code() -> None:
    time.sleep(3600)


def say(control: socket.socket, message: messages.FromWorkerMessage) -> None:
    control.sendall(codec.frame(codec.encode(message)))


if __name__ == "__main__":
    main()
