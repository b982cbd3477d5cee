"""``task logs --follow``: what an app prints and how far it is, on the terminal and as JSON."""

from __future__ import annotations

import json

import pytest

from poolhand.cli.following import output_shown
from poolhand.domain.ids import TaskId
from poolhand.keys.wallet import Wallet
from poolhand.transport.pool_client import PoolDown
from poolhand.wire.output_api import NewsKind, OutputLine, OutputNews, OutputProgress
from requester_market import IMAGE

WORKER = Wallet.from_key(bytes([3] * 32))


def _follows(cli, *events):
    cli.market.pool.outputs = [[*events, OutputNews(kind=NewsKind.END)]]


def _lines(*texts, first=0, left_out=0, is_error=False):
    lines = tuple(OutputLine(is_error=is_error, text=each) for each in texts)
    return OutputNews(kind=NewsKind.LINES, worker=WORKER.address, first=first, lines=lines,
                      left_out=left_out)  # fmt: skip


def test_what_an_app_prints_is_followed_to_its_end(cli):
    (task_id,) = cli("run", IMAGE, "--no-wait", "--json").json["task_ids"]
    progress = OutputProgress(
        memory=3 * 2**20, cpu_ms=1500, processes=2, fraction=0.25, words="1/4"
    )
    told = OutputNews(kind=NewsKind.PROGRESS, worker=WORKER.address, progress=progress)
    _follows(cli, told, _lines("one", "\x1b[1mtwo\x1b[0m"), _lines("oh", first=9, is_error=True))
    ran = cli("task", "logs", task_id, "--follow")
    assert ran.code == 0
    assert ran.out.splitlines()[:2] == ["one", "two"]  # no terminal, so no colours
    assert "has ended" in ran.out
    assert "oh" in ran.err
    assert "[7 lines left out]\n" in ran.err
    assert "25% 1/4 [3 MiB of memory, 1.5 s of processor, 2 processes]" in ran.err

    _follows(cli, _lines("one"))
    told = cli("task", "logs", task_id, "--follow", "--json").out.splitlines()
    lines, end = map(json.loads, told[:2])
    last = json.loads("".join(told[2:]))
    assert lines["lines"] == [{"is_error": False, "text": "one"}]
    assert end == {"kind": "end"}
    assert last == {"task_id": task_id, "kind": "end"}


def test_an_image_that_is_pulled_is_told_of_as_it_comes_and_not_at_each_look(cli):
    (task_id,) = cli("run", IMAGE, "--no-wait", "--json").json["task_ids"]
    looks = [OutputProgress(pulled=number * 2**20) for number in range(100)]
    looks.append(OutputProgress(memory=2**20, processes=1))
    news = [OutputNews(kind=NewsKind.PROGRESS, worker=WORKER.address, progress=each)
            for each in looks]  # fmt: skip
    _follows(cli, *news)
    ran = cli("task", "logs", task_id, "--follow")
    told = [line for line in ran.err.splitlines() if "image is pulled" in line]
    assert told[0].endswith("its image is pulled: 0.0 MiB have come")
    assert [line.split()[-4] for line in told[1:4]] == ["8.0", "16.0", "24.0"]
    assert len(told) < 12
    assert "1 MiB of memory" in ran.err


class _Showing:
    """A run of a verb and a deal, as far as the showing of what its tasks print needs them."""

    as_json = False

    def __init__(self, fault) -> None:
        self.fault, self.notes = fault, []

    def note(self, text) -> None:
        self.notes.append(text)

    def outputs(self):
        return {TaskId(bytes(32)): self._tell}

    async def _tell(self):
        yield OutputNews(kind=NewsKind.BEAT)
        raise self.fault


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (PoolDown("it is away"), "shown: it is away"),
        (ValueError("odd"), "fault: ValueError('odd')"),
    ],
)
async def test_what_cannot_be_shown_is_said_and_the_purchase_goes_on(fault, told):
    showing = _Showing(fault)
    async with output_shown(showing, showing):
        pass
    (said,) = showing.notes
    assert told in said
