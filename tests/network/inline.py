"""An executor without threads, so that a simulation is the same every time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor


class InlineExecutor(ThreadPoolExecutor):
    """Runs "threads" at once in the loop: the same order every time."""

    def submit(self, fn, /, *args, **kwargs):
        done = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as fault:  # noqa: BLE001 - handed to who waits
            done.set_exception(fault)
        return done
