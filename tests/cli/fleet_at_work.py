"""A fleet of simulated workers that run, their wallets on a fake chain; its commands can be killed.

A command that is to be killed runs in a copy of the test's process, which kills itself there: no
``finally`` of it runs. What its chain had by then it leaves in a file.
"""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import signal
import sys
import traceback

from poolhand.cli.command_run import CommandRun
from poolhand.cli.fleet.collecting import CollectTerms, collect
from poolhand.cli.fleet.rows import member_page
from poolhand.domain.fleet_money import FleetWish
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei

RLC = 10**9
HOME = Address(b"\xd0" * 20)
KEEP = FleetWish(Wei(10**16), NanoRlc(2 * RLC))


class FleetAtWork:
    """Two simulated workers that run; it is their launcher, too."""

    def __init__(self, cli, world):
        self.cli, self.world, self.chain = cli, world, cli.market.chain
        for each in world.members:
            self.chain.fund(each.wallet, coin=Wei(10**17), stake=NanoRlc(5 * RLC))
        self.start(world.members)

    def start(self, members):
        """Be the launcher of the fleet."""
        self.world.supervisor().look()
        self.world.until(lambda: all(map(self.page, members)))

    def page(self, member):
        return member_page(self.world.folder, member)

    def collects(self, to=HOME, **terms):
        flags = {"rpc": [], "state": str(self.world.folder.payments), "wallet": ""}
        command = CommandRun(flags, opener=self.cli.open)
        wanted = CollectTerms(to, KEEP, yes=True, **terms)
        work = collect(command, self.world.folder, self.world.members, wanted, self)
        return {each.member: each for each in asyncio.run(work)}

    def killed(self, command, where, at=1):
        """Have a command killed where it comes to something for that time."""
        left = self.world.folder.path / "chain"
        child = os.fork()
        if not child:
            try:
                PLACES[where](self, Killing(self.chain, left, at))
                command()
            except BaseException:  # noqa: BLE001 - of a process that ends here
                traceback.print_exc(file=sys.__stderr__)
            finally:
                os._exit(0)  # it came to an end
        _, ended = os.waitpid(child, 0)
        assert os.WIFSIGNALED(ended), f"it was not killed: {where} {at}"
        if left.exists():
            self.chain = self.cli.market.chain = pickle.loads(left.read_bytes())
            left.unlink()


class Killing:
    """Kills this process when it is called for that time."""

    def __init__(self, chain, left, at):
        self._chain, self._left, self._at = chain, left, at

    def __call__(self, *_):
        self._at -= 1
        if self._at:
            return
        self._chain.before_send = self._chain.after_send = None
        self._left.write_bytes(pickle.dumps(self._chain))
        os.kill(os.getpid(), signal.SIGKILL)


class LineHeard(io.StringIO):
    """Standard error that tells of a line before it is said."""

    def __init__(self, line, told):
        super().__init__()
        self._line, self._told = line, told

    def write(self, text):
        if self._line in text:
            self._told()
        return super().write(text)


def _when_said(line):
    def place(lab, kill):
        sys.stderr = LineHeard(line, kill)

    return place


def _when_ordered(lab, _):
    (lab.world.place(lab.world.members[0]) / "kills").write_text(str(os.getpid()))


def _before_send(lab, kill):
    lab.chain.before_send = kill


def _after_send(lab, kill):
    lab.chain.after_send = kill


def _before_start(lab, kill):
    start = lab.start

    def started(members):
        kill()
        start(members)

    lab.start = started


def _after_start(lab, kill):
    start = lab.start

    def started(members):
        start(members)
        kill()

    lab.start = started


PLACES = {
    "before the order": _when_said("finishes what it holds"),
    "ordered": _when_ordered,
    "before a payment": _before_send,
    "after a payment": _after_send,
    "collected": _when_said("coins sent"),
    "before the start": _before_start,
    "after the start": _after_start,
}
"""Where a command is killed: what it does, or has done, there."""
