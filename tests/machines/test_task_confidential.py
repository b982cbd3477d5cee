"""A confidential task is offered once its enclave is known, and not before."""

from stories import ANN, BOB, START, S, also, assigned, at, reported, task_after, told, viewed

from poolhand.domain.ids import Address
from poolhand.domain.onchain import ChainTaskStatus as Chain
from poolhand.domain.placement.reliance import is_counted_on
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.task.machine import AskChallenge, Challenged, Lost, TellOffer, Ticked
from poolhand.domain.tee.framework import TeeFramework

TDX = {"tag": TeeFramework.TDX.tag}
ENCLAVE, OTHER = Address(b"\x0e" * 20), Address(b"\x0f" * 20)
RULES = PlacementRules()


def test_the_enclave_is_asked_for_once_the_task_is_initialized_and_then_it_is_offered():
    fresh = task_after(*assigned(ANN), viewed(Chain.UNSET), **TDX)
    assert not told(fresh, AskChallenge)
    assert not told(fresh, TellOffer)
    active = also(fresh, viewed(Chain.ACTIVE, block=2))
    assert told(active, AskChallenge) == [AskChallenge()]
    assert not told(active, TellOffer)
    known = also(active, Challenged(START, ENCLAVE))
    assert known.enclave == ENCLAVE
    assert not told(known, AskChallenge)
    assert told(known, TellOffer) == [TellOffer(ANN)]
    assert told(also(known, *assigned(BOB)), TellOffer) == [TellOffer(ANN), TellOffer(BOB)]


def test_the_first_enclave_told_stays_for_authorizations_name_it():
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE), Challenged(START, ENCLAVE), **TDX)
    assert also(task, Challenged(at(1), OTHER)).enclave == ENCLAVE


def test_a_usual_task_has_no_enclave_whatever_is_said():
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE))
    assert not told(task, AskChallenge)
    assert told(also(task, Challenged(START, ENCLAVE)), TellOffer) == [TellOffer(ANN)]
    assert also(task, Challenged(START, ENCLAVE)).enclave is None


def test_nobody_is_asked_for_the_enclave_of_a_task_at_which_nobody_is():
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE), **TDX)
    assert not told(also(task, Lost(START, ANN)), AskChallenge)
    assert not told(also(task, Ticked(at(100_000))), AskChallenge)


def test_time_to_take_an_offer_up_runs_from_the_offer():
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE), **TDX)
    late = also(task, Ticked(at(RULES.take_up + 50)))
    assert is_counted_on(late, late.attempts[0], RULES)
    known = also(late, Challenged(at(RULES.take_up + 50), ENCLAVE))
    assert is_counted_on(known, known.attempts[0], RULES)
    silent = also(known, Ticked(at(2 * RULES.take_up + 50)))
    assert not is_counted_on(silent, silent.attempts[0], RULES)
    heard = also(known, reported(ANN, [S.RUNNING], at=at(RULES.take_up + 51)))
    assert not told(heard, TellOffer)
