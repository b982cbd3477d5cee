"""The exit code of an app: as its worker writes it into the story, so everybody reads it there."""

from __future__ import annotations

import pytest

from poolhand.domain.replicate.events import Entry
from poolhand.domain.replicate.exit_code import app_exit_code
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds
from poolhand.ports.runtime import ContainerOutcome
from poolhand.worker.stages.compute import ComputationFailed, check_outcome

S = Status


def story(*told):
    return [Entry(status, UnixSeconds(n), detail) for n, (status, detail) in enumerate(told)]


@pytest.mark.parametrize("code", [1, 3, 137, 255])
@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("said", [b"", b"42 is what the app exited with code 7"])
def test_what_the_worker_tells_of_a_failure_has_the_code(code, memory, said):
    ended = ContainerOutcome(code, False, memory, False, b"", said, 1.0)
    with pytest.raises(ComputationFailed) as caught:
        check_outcome(ended, None)
    failed = story((S.COMPUTING, None), (S.COMPUTE_FAILED, str(caught.value)), (S.FAILED, None))
    assert app_exit_code(failed) == code


def test_an_app_that_was_not_started_has_no_code():
    ended = ContainerOutcome(None, False, False, False, b"", b"", 1.0)
    with pytest.raises(ComputationFailed, match="the app was not started") as caught:
        check_outcome(ended, None)
    assert app_exit_code(story((S.COMPUTE_FAILED, str(caught.value)))) is None


@pytest.mark.parametrize(
    "why",
    [
        None,
        "the app ran longer than category XS allows (300 s): buy a larger category",
        "computed.json is no JSON: the app exited with code 3",
        "the app exited with code 1234",
        "the app exited with code -1",
    ],
)
def test_words_of_anything_else_have_none(why):
    assert app_exit_code(story((S.COMPUTE_FAILED, why))) is None


def test_only_an_app_that_has_ended_has_one():
    assert app_exit_code(story((S.COMPUTING, "the app exited with code 3"))) is None
    done = ((S.COMPUTED, None), (S.CONTRIBUTING, None), (S.FAILED, "the app exited with code 3"))
    assert app_exit_code(story(*done)) == 0
