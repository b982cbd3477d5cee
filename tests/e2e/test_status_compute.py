"""Apps that give no result: why is told everywhere, and the price comes back."""

from __future__ import annotations

import pytest
from reaching import reaches
from status_lab import BRIEF, PERIOD, SHORT, is_explained

from poolhand.domain.replicate.status import Status
from poolhand.requester.wish import Wish

S = Status


@pytest.fixture(scope="module")
def bought(lab):
    """A task for each way to fail."""
    wishes = {
        "exit code": Wish(lab.app, args="exits"),
        "out of memory": Wish(lab.app, args="eats"),
        "time limit": Wish(lab.app, args="sleeps", category=BRIEF),
        "no computed.json": Wish(lab.app, args="silent"),
        "output too large": Wish(lab.app, args="floods"),
    }
    before = lab.money()
    return lab.buy_all(wishes), before


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        pytest.param(
            "exit code",
            "exited with code 3: the input makes no sense",
            id="exit-code",
            marks=reaches(S.COMPUTE_FAILED, S.FAILED, how="exit code"),
        ),
        pytest.param(
            "out of memory",
            "out of memory",
            id="out-of-memory",
            marks=reaches(S.COMPUTE_FAILED, S.FAILED, how="out of memory"),
        ),
        pytest.param(
            "time limit",
            f"ran longer than category brief allows ({SHORT} s)",
            id="time-limit",
            marks=reaches(S.COMPUTE_FAILED, S.FAILED, how="killed at the time limit"),
        ),
        pytest.param(
            "no computed.json",
            "did not write /iexec_out/computed.json",
            id="no-computed-json",
            marks=reaches(S.COMPUTE_FAILED, S.FAILED, how="no computed.json"),
        ),
        pytest.param(
            "output too large",
            "wrote more to /iexec_out, or",
            id="output-too-large",
            marks=reaches(S.COMPUTE_FAILED, S.FAILED, how="output too large"),
        ),
    ],
)
def test_an_app_without_a_result_is_explained(lab, bought, how, cause):
    tasks, _ = bought
    is_explained(lab, tasks[how], S.COMPUTE_FAILED, cause)
    lab.until(tasks[how], S.FAILED)


def test_the_price_of_tasks_without_a_result_comes_back(lab, bought):
    tasks, before = bought
    lab.claimed(tasks.values(), 10 * PERIOD)
    lab.refunded(before, len(tasks))
