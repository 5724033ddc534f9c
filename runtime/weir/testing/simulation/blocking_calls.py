"""Blocking code as coroutines: each call runs on a parked thread that gives the baton back at every storage call.

Exactly one thread runs at any time, so everything stays as repeatable as in one thread, and a process can be
killed or frozen between any two storage calls of what it does. ``storage`` makes the pauses; whoever holds a lock over
one makes others wait by ``PausingLock``.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from weir.testing.simulation.virtual_time import Process

#: Virtual seconds between two looks at a lock that somebody else holds.
_LOCK_POLL = 0.001


class Killed(BaseException):
    """Ends the thread of a call whose process was killed."""


class _Hand:
    """A parked thread that serves one call after the other."""

    def __init__(self) -> None:
        self._go = threading.Lock()
        self._back = threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self.call: BlockingCall | None = None
        threading.Thread(target=self._main, name="weir-simulated-call", daemon=True).start()

    def resume(self) -> None:
        """Let it run to its next pause or its end; called by the one who holds the baton."""
        self._go.release()
        self._back.acquire()

    def pause(self) -> None:
        """Give the baton back until the next ``resume``; called on the hand's thread."""
        self._back.release()
        self._go.acquire()

    def _main(self) -> None:
        while True:
            self._go.acquire()
            call = self.call
            if call is None:
                return
            _hands.call = call
            call.perform()
            _hands.call = None
            self._back.release()

    def dismiss(self) -> None:
        """End the thread."""
        self.call = None
        self._go.release()


class _Hands(threading.local):
    call: BlockingCall | None = None


_hands = _Hands()


def current_call() -> BlockingCall | None:
    """The call that runs on this thread."""
    return _hands.call


class BlockingCall:
    """One call; ``done(result, error)`` follows in its process, unless that dies."""

    def __init__(
        self,
        calls: BlockingCalls,
        process: Process,
        work: Callable[[], Any],
        done: Callable[[Any, BaseException | None], None],
    ) -> None:
        self.process = process
        self._calls = calls
        self._work = work
        self._done = done
        self._hand: _Hand | None = None
        self._delay: float | None = None
        self._result: Any = None
        self._error: BaseException | None = None

    def advance(self) -> None:
        """Run to the next pause, or to the end."""
        if self._hand is None:
            self._hand = self._calls.take_hand()
            self._hand.call = self
        self._delay = None
        self._hand.resume()
        if self._delay is not None:
            self.process.call_later(self._delay, self.advance)
            return
        self._calls.give_hand_back(self, self._hand)
        if self.process.alive:
            self._done(self._result, self._error)

    def abandon(self) -> None:
        """Its process died: unwind."""
        hand = self._hand
        while hand is not None:
            self._delay = None
            hand.resume()
            if self._delay is None:
                self._calls.give_hand_back(self, hand)
                return

    def perform(self) -> None:
        """On the hand's thread."""
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001  handed to whoever asked for the call
            self._error = error

    def sleep(self, seconds: float) -> None:
        """On the hand's thread: let virtual time pass. Raises ``Killed``."""
        if not self.process.alive:
            raise Killed
        assert self._hand is not None
        self._delay = seconds
        self._hand.pause()
        if not self.process.alive:
            raise Killed


class BlockingCalls:
    """All blocking calls of a simulation."""

    def __init__(self) -> None:
        self._idle: list[_Hand] = []
        self._open: dict[Process, dict[BlockingCall, None]] = {}

    def start(
        self, process: Process, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> None:
        """Run ``work`` beside everything else that ``process`` does."""
        call = BlockingCall(self, process, work, done)
        if process not in self._open:
            self._open[process] = {}
            process.on_death.append(lambda: self._process_died(process))
        self._open[process][call] = None
        process.call_soon(call.advance)

    def runner(self, process: Process) -> Callable[..., Awaitable[Any]]:
        """What stands in for ``asyncio.to_thread`` within ``process``."""

        async def run(call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
            future = process.loop.create_future()

            def done(result: Any, error: BaseException | None) -> None:
                if future.cancelled():
                    return
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)

            self.start(process, lambda: call(*arguments, **named), done)
            return await future

        return run

    def close(self) -> None:
        """End all threads; every process was killed before."""
        for hand in self._idle:
            hand.dismiss()
        self._idle.clear()

    def take_hand(self) -> _Hand:
        """A thread that has nothing to do."""
        return self._idle.pop() if self._idle else _Hand()

    def give_hand_back(self, call: BlockingCall, hand: _Hand) -> None:
        """The call ended."""
        self._open[call.process].pop(call, None)
        self._idle.append(hand)

    def _process_died(self, process: Process) -> None:
        for call in list(self._open[process]):
            call.abandon()
        self._open[process].clear()


class PausingLock:
    """A ``threading.Lock`` that may be held over a pause. On the loop's own thread it must be free."""

    def __init__(self) -> None:
        self._holder: object = None

    def acquire(self) -> bool:
        """Wait until it is free."""
        call = current_call()
        while self._holder is not None:
            if call is None:
                raise AssertionError("the data thread would wait for a call that is under way")
            call.sleep(_LOCK_POLL)
        self._holder = call or self
        return True

    def release(self) -> None:
        """Free it."""
        self._holder = None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


#: Stands in for the module ``threading`` where engine code makes locks.
PAUSING_THREADING = SimpleNamespace(Lock=PausingLock)
