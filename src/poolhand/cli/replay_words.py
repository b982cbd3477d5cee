"""What a journal's events and effects are called in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from poolhand.domain.ids import Address
from poolhand.domain.replicate import events as replicate
from poolhand.domain.task import events as task

Say = Callable[[Any], str]


def _who(worker: Address) -> str:
    return f"worker {worker}"


def _entries(event: task.Reported) -> str:
    told = ", ".join(
        f"{each.status} ({each.detail})" if each.detail else str(each.status)
        for each in event.entries
    )
    return f"{_who(event.worker)} reported {told}"


def _because(words: str, detail: str | None) -> str:
    return f"{words}: {detail}" if detail else words


EVENTS: Final[Mapping[type, Say]] = {
    task.Received: lambda e: f"the chain told of the deal {e.facts.deal_id}",
    task.Assigned: lambda e: f"{_who(e.worker)} was chosen, with weight {e.weight}",
    task.Reported: _entries,
    task.Uploaded: lambda e: f"{_who(e.stored.worker)} stored the result at {e.stored.link}",
    task.Doubted: lambda e: f"what {_who(e.worker)} claimed to have stored was not the result",
    task.Viewed: lambda e: f"block {e.view.block} showed it {e.view.status.name} on chain",
    task.Lost: lambda e: f"{_who(e.worker)} was silent for longer than its lease",
    task.Found: lambda e: f"{_who(e.worker)} was there again",
    task.Misbehaved: lambda e: f"{_who(e.worker)} broke the protocol: {e.cause}",
    task.CallRefused: lambda e: f"the chain refused to {e.kind}: {e.cause}",
    task.Mined: lambda e: f"its {e.transaction.kind} is in block {e.transaction.block}",
    task.Unmined: lambda _: "the chain took a transaction of it back",
    task.DealGone: lambda _: "the chain dropped its deal",
    task.DealBack: lambda _: "the chain has its deal again",
    task.Challenged: lambda e: f"the secret service told the enclave's address {e.enclave}",
    task.Ticked: lambda _: "the chain's time went on",
    replicate.Accepted: lambda e: f"the worker took task {e.offer.index} of deal {e.offer.deal_id}",
    replicate.Activated: lambda _: "the chain showed the task initialized",
    replicate.Finished: lambda e: _because(f"{e.action} ended as {e.outcome}", e.detail),
    replicate.Faulted: lambda e: _because(f"{e.action} broke off", e.detail),
    replicate.RevealAsked: lambda _: "the chain showed that this worker's result is the consensus",
    replicate.UploadAsked: lambda e: (
        "the pool asked for the result" + ("" if e.ready else ", which is no longer on the disk")
    ),
    replicate.TakenBack: lambda e: f"the chain took back what came of {e.action}",
    replicate.ClaimDue: lambda _: "the final deadline passed and nobody claimed the task",
    replicate.Ended: lambda e: _because(f"it was over: {e.status}", e.detail),
    replicate.Acknowledged: lambda e: f"the pool has stored {e.count} reports",
    replicate.Recovered: lambda e: (
        "the worker was started again" + (" after a sudden end" if e.sudden else "")
    ),
    replicate.Tried: lambda _: "the stage under which the program ended is tried by itself",
    replicate.Outlived: lambda _: "the program outlived the beginning of that stage",
    replicate.Quarantined: lambda e: _because("it was quarantined", e.detail),
    replicate.Refilled: lambda _: "the wallet could pay for gas again",
    replicate.Settled: lambda _: "the end lies too deep in the chain to be taken back",
    replicate.Cleaned: lambda _: "container and files are gone",
}
"""Why something happened; each is a sentence without its full stop."""

EFFECTS: Final[Mapping[type, Say]] = {
    task.SendInitialize: lambda e: _again("put the task on chain (initialize)", e.tried),
    task.SendFinalize: lambda e: _again("pay everybody (finalize)", e.tried),
    task.SendReopen: lambda e: _again("open the task again (reopen)", e.tried),
    task.SendClaim: lambda e: _again("give the price back (claim)", e.tried),
    task.CheckResult: lambda e: f"look whether {_who(e.claim.worker)} has stored the result",
    task.AskChallenge: lambda _: "ask the secret service for the enclave's address",
    task.TellOffer: lambda e: f"offer it to {_who(e.worker)}",
    task.TellActivated: lambda e: f"tell {_who(e.worker)} that it may contribute",
    task.TellReveal: lambda e: f"ask {_who(e.worker)} to reveal",
    task.TellUpload: lambda e: f"ask {_who(e.worker)} for the result",
    task.TellEnd: lambda e: f"tell {_who(e.worker)} that its part ended as {e.status}",
    replicate.Report: lambda e: f"report {e.entry.status} to the pool",
    replicate.Run: lambda e: f"begin {e.action}",
    replicate.Clean: lambda _: "remove container and files",
    replicate.Forget: lambda _: "forget the replicate: its story is over and told",
}
"""What is done about it."""


def _again(words: str, tried: int) -> str:
    return f"{words}, refused {tried} times before" if tried else words


def event_words(event: Any) -> str:
    """Return what happened, in a sentence."""
    return EVENTS[type(event)](event)


def effect_words(effect: Any) -> str:
    """Return what is asked for, in a sentence."""
    return EFFECTS[type(effect)](effect)
