"""What nobody expected of a replicate, noted: stages that raise, and sudden ends of the program."""

from __future__ import annotations

from dataclasses import replace

from poolhand.domain.replicate.events import (
    FOR_THE_STAKE,
    Action,
    Faulted,
    Outlived,
    Tried,
)
from poolhand.domain.replicate.model import Replicate


def fall(replicate: Replicate, *, sudden: bool) -> Replicate:
    """Count a sudden end of the program against what was at work then; an orderly one clears it."""
    if not sudden:
        return cleared(replicate)
    if not replicate.is_at_work or replicate.is_held_back:
        return replicate
    falls = replicate.trouble.falls + 1
    return replace(replicate, trouble=replace(replicate.trouble, falls=falls, on_trial=False))


def watch(replicate: Replicate, event: Tried | Outlived) -> Replicate:
    """Begin the trial of a suspect, or end it well."""
    if isinstance(event, Outlived):
        return cleared(replicate)
    on_trial = replicate.trouble.falls > 0
    return replace(replicate, trouble=replace(replicate.trouble, on_trial=on_trial))


def cleared(replicate: Replicate) -> Replicate:
    """Hold no sudden end against a replicate any more."""
    return replace(replicate, trouble=replace(replicate.trouble, falls=0, on_trial=False))


def let_go(replicate: Replicate, event: Faulted) -> Replicate:
    """Note what a stage raised; it is over, whatever it has done.

    A reveal waits until the chain has been looked at; a contribution may be on its way.
    """
    known, action = replicate.trouble, event.action
    noted = replace(
        known,
        words=event.detail,
        faults=known.faults + 1,
        faulted_at=event.at,
        unsure=known.unsure or action is Action.CONTRIBUTE,
    )
    asked = replicate.reveal_asked and (action is not Action.REVEAL or replicate.is_over)
    return replace(replicate, running=None, reveal_asked=asked, trouble=noted)


def shut_away(replicate: Replicate, words: str) -> Replicate:
    """Begin nothing more of a replicate but what saves its stake."""
    return replace(replicate, trouble=replace(replicate.trouble, words=words, quarantined=True))


def may_run(replicate: Replicate, action: Action) -> bool:
    """Whether a stage may begin."""
    return action in FOR_THE_STAKE or not replicate.trouble.quarantined
