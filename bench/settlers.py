"""Light workers that settle: they compute nothing, and contribute for real, each from its wallet.

``python -m bench.settlers`` is ``bench.crowd`` with workers that tell every status of the quick flow
as a worker does (one report under way, the rest gathers behind it), send ``contributeAndFinalize``
when they are told that the task is on chain, and tell what was mined.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.crowd import Crowd, LightWorker, Timers, Told, report, run
from bench.node_line import NodeLine
from poolhand.chain.encode import encode
from poolhand.domain.hashes import eip191_hash
from poolhand.domain.ids import Address, ResultDigest, TaskId, TxHash
from poolhand.domain.onchain import ContributeAndFinalize
from poolhand.domain.replicate.status import Status
from poolhand.domain.result_link import link_text
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Gas, Wei
from poolhand.ports.chain import HubFacts
from poolhand.wire.messages import (
    Aborted,
    AcknowledgeReports,
    Completed,
    Held,
    OfferTask,
    ReportBatch,
    StatusReport,
    TaskActivated,
    Welcome,
)
from poolhand.wire.session_terms import MOST_REPORTS

BEFORE_CHAIN = (
    Status.RUNNING, Status.APP_DOWNLOADING, Status.APP_DOWNLOADED, Status.DATA_DOWNLOADING,
    Status.DATA_DOWNLOADED, Status.COMPUTING, Status.COMPUTED, Status.RESULT_UPLOADING,
    Status.RESULT_UPLOADED,
)  # fmt: skip
GAS = Gas(620_000)
"""Limit of a ``contributeAndFinalize``: what it takes, and the fifth on top that a worker adds."""


@dataclass
class Settling:
    """One replicate: what happened to it, how much of that the pool has acknowledged."""

    offer: OfferTask
    entries: list[StatusReport] = field(default_factory=list)
    told: int = 0
    acked: int = 0
    sent: bool = False


class Settler(LightWorker):
    """A worker that brings what it is given to its end."""

    def __init__(
        self, node: NodeLine, crowd: Crowd, number: int, told: Told, timers: Timers
    ) -> None:
        super().__init__(crowd, number, told, timers)
        self._node, self._nonce = node, 0
        self._facts = _facts(crowd)
        self._settling: dict[TaskId, Settling] = {}

    def holding(self) -> list[Held]:
        return [Held(task, each.entries[-1].status) for task, each in self._settling.items()]

    def welcomed(self, welcome: Welcome) -> None:
        super().welcomed(welcome)
        for known in self._settling.values():
            known.told = known.acked
            self._tell(known)

    def take(self, message: Any) -> None:
        match message:
            case OfferTask(task_id):
                if task_id not in self._settling:
                    self._settling[task_id] = Settling(message)
                    self.told.held += 1
                    self._enter(self._settling[task_id], *BEFORE_CHAIN)
            case AcknowledgeReports(task_id, count):
                self._acknowledged(task_id, count)
            case TaskActivated(task_id):
                self._contribute(task_id)
            case Aborted(task_id) | Completed(task_id):
                if self._settling.pop(task_id, None) is not None:
                    self.told.held -= 1
                    self.told.lost += isinstance(message, Aborted)

    def _acknowledged(self, task_id: TaskId, count: int) -> None:
        known = self._settling.get(task_id)
        if known is not None:
            known.acked = max(known.acked, count)
            self._tell(known)

    def _enter(self, known: Settling, *statuses: Status, tx: TxHash | None = None) -> None:
        known.entries += [report(status, tx) for status in statuses]
        self._tell(known)

    def _tell(self, known: Settling) -> None:
        """Tell what gathered, unless a report is under way."""
        fresh = tuple(known.entries[known.acked : known.acked + MOST_REPORTS])
        if fresh and known.told == known.acked:
            known.told = known.acked + len(fresh)
            self.send(ReportBatch(known.offer.task_id, known.acked, fresh, None))

    def _contribute(self, task_id: TaskId) -> None:
        known = self._settling.get(task_id)
        if known is None or known.sent:
            return
        known.sent = True
        self._enter(known, Status.CAN_CONTRIBUTE, Status.CONTRIBUTING)
        raw, tx = self.wallet.sign_transaction(self._transaction(known.offer))
        self._node.send(raw, tx, partial(self._mined, task_id, tx))

    def _mined(self, task_id: TaskId, tx: TxHash, *, succeeded: bool) -> None:
        self.told.paid += succeeded
        self.told.reverted += not succeeded
        known = self._settling.get(task_id)
        if known is not None:
            ends = (Status.CONTRIBUTED,) if succeeded else (Status.CONTRIBUTE_FAILED, Status.FAILED)
            self._enter(known, *ends, tx=tx)

    def _transaction(self, offer: OfferTask) -> UnsignedTransaction:
        digest, z = ResultDigest(eip191_hash(offer.task_id)), self._facts
        link = link_text(f"http://results.test/{offer.task_id}", Address(bytes(20))).encode()
        call = ContributeAndFinalize(offer.task_id, digest, link, b"", offer.authorization)
        made, nonce = encode(call, z), self._nonce
        self._nonce += 1
        fee = self._node.fee
        return UnsignedTransaction(
            z.chain_id, nonce, made.to, Wei(0), made.data, GAS, fee.most, fee.priority
        )


def _facts(crowd: Crowd) -> HubFacts:
    nobody = Address(bytes(20))
    return HubFacts(crowd.chain_id, Address.parse(crowd.hub), None, nobody, nobody, nobody, Gas(0))


async def main(crowd: Crowd) -> None:
    node = NodeLine(crowd.node)
    await run(crowd, partial(Settler, node), node.run())


if __name__ == "__main__":
    asyncio.run(main(Crowd(**json.loads(sys.stdin.readline()))))
