"""All checks at once, each within its time: one that breaks is one line, and never the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, Generic, TypeAlias, TypeVar

from poolhand.domain.doctor.findings import Check, Finding, failed, in_order, of_message, unknown
from poolhand.domain.errors import Bug, PoolhandError

LONGEST_CHECK: Final = 60.0
"""Seconds for one check: what answers at all does so sooner, on a slow computer, too."""
REQUIRED: Final = frozenset({Check.ENGINE, Check.NODE, Check.POOL})
"""What must answer: silence of any other says nothing."""
SEE: Final = "fix what this names, then look again"
_ADVICE: Final = {
    Check.NODE: "check --rpc and this machine's network, or name another endpoint",
    Check.POOL: "check --core-url and this machine's network, or wait until the pool is up",
}
"""Where a message does not say what to do."""

Job: TypeAlias = Callable[[], Awaitable[Finding]]
T = TypeVar("T")


class NotLooked(PoolhandError):
    """A check needs what another check found wanting, or what cannot be seen from here."""

    def __init__(self, needs: Check, why: str = "") -> None:
        super().__init__("not looked at: " + (why or f"fix '{needs}' first"))


class SharedLook(Generic[T]):
    """Something that several checks need: got once, when it is first asked for.

    Args:
        get: Gets it.
        check: That tells what is wrong where it cannot be had.
    """

    def __init__(self, get: Callable[[], Coroutine[Any, Any, T]], check: Check) -> None:
        self._get, self._check = get, check
        self._task: asyncio.Task[T] | None = None

    async def own(self) -> T:
        """Return it to the check that tells why not; raises what getting it raises."""
        if self._task is None:
            self._task = asyncio.create_task(self._get())
        return await asyncio.shield(self._task)

    async def needed(self) -> T:
        """Return it to any other check; raises NotLooked where it cannot be had."""
        try:
            async with asyncio.timeout(LONGEST_CHECK * 0.9):
                return await self.own()
        except Exception as fault:  # the check whose own it is tells what this is
            raise NotLooked(self._check) from fault

    async def asked(self) -> T | None:
        """Return it; None where it cannot be had."""
        try:
            return await self.needed()
        except NotLooked:
            return None

    async def close(self) -> None:
        """Get it no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def examine(
    jobs: Mapping[Check, Job], time_limit: float = LONGEST_CHECK
) -> tuple[Finding, ...]:
    """Carry out checks beside each other; whatever one raises is its own finding.

    Args:
        jobs: By what they check.
        time_limit: Seconds for each.
    """
    found = (_found(check, job, time_limit) for check, job in jobs.items())
    return in_order(await asyncio.gather(*found))


async def _found(check: Check, job: Job, time_limit: float) -> Finding:
    try:
        async with asyncio.timeout(time_limit):
            return await job()
    except TimeoutError:
        late = f"no answer within {time_limit:g} seconds"
        return (failed if check in REQUIRED else unknown)(check, late, "look again, or see its log")
    except Exception as fault:  # noqa: BLE001 - a check that breaks ends no other
        return _told(check, fault)


def _told(check: Check, fault: Exception) -> Finding:
    """Return what a check found that raised: what our errors say, and that all others are bugs."""
    if isinstance(fault, NotLooked):
        return unknown(check, str(fault), "")
    if isinstance(fault, PoolhandError) and not isinstance(fault, Bug):
        return of_message(check, fault.told, _ADVICE.get(check, SEE))
    return failed(
        check,
        f"this check itself broke ({type(fault).__name__}: {fault})",
        "report that as a bug of Poolhand's; the other checks hold",
    )
