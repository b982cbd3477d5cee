"""A deal in a notebook: a table that follows it, made of escaped text, and a plot at its end."""

from __future__ import annotations

import re
from dataclasses import replace

import nbclient
import nbformat
import pytest
from client_world import PRICE

from headless import read_by_everybody, visitor
from poolhand import Client
from poolhand.client.deal_view import (
    MOST_ERRORS_SHOWN,
    MOST_POINTS,
    ThroughputRecord,
    deal_html,
    throughput_svg,
)
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.units import UnixSeconds
from poolhand.requester.watching import Progress
from requester_market import IMAGE

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"
CELL = """
import sys
from pathlib import Path
sys.path[:0] = {paths}
from client_world import NAMED, Bazaar
from requester_market import IMAGE
from poolhand import Client
from poolhand.client.notebook import open_screen
bazaar = Bazaar(Path({folder!r}))
client = Client(**NAMED, opener=bazaar.open)
bazaar.lazy = True
deal = client.run(IMAGE, tasks=5)
screen = open_screen()
for picture in deal.pictures():
    screen(*picture)
    if bazaar.lazy:
        assert "0 of 5 task(s) completed" in picture[0]
        bazaar.lazy = False
        client.run(IMAGE, "another")
"""
"""What ``show`` does, and the pool begins to work when the first picture is there."""


@pytest.fixture
def deal(named):
    with Client(**named) as client:
        yield client.run(IMAGE, tasks=2)


def test_a_handle_shows_how_it_stands_as_html(deal):
    deal.wait()
    html = deal._repr_html_()
    assert "2 of 2 task(s) completed" in html
    assert ">COMPLETED<" in html
    assert f"{2 * PRICE // 10**9} of {2 * PRICE // 10**9} RLC paid" in html
    assert str(deal.deal.workerpool.address) in html
    assert "<svg" not in html


def test_a_handle_that_cannot_look_says_why(named):
    with Client(**named) as client:
        deal = client.run(IMAGE)
    assert "closed" in deal._repr_html_()


def test_in_a_terminal_each_change_is_a_line(deal, capsys):
    deal.show()
    told = capsys.readouterr().out.splitlines()
    assert re.search(r": 2 COMPLETED; 4 of 4 RLC paid", told[-1])
    assert len(told) == len(set(told))


def test_errors_are_told_and_bounded(deal):
    (task, _) = deal.wait().tasks
    failed = replace(task, view=replace(task.view, status=ChainTaskStatus.FAILED))
    progress = Progress(tuple(replace(failed, index=n) for n in range(MOST_ERRORS_SHOWN + 3)))
    html = deal_html(deal.deal, progress)
    assert "0 of 13 task(s) completed" in html
    assert "3 more" in html
    assert html.count("<tr>") < 25


def test_a_text_of_a_stranger_is_text(deal):
    (task, _) = deal.wait().tasks

    class Told:
        status = HOSTILE
        replicates = ()
        meaning = HOSTILE
        obstacle = HOSTILE

    view = replace(task.view, status=ChainTaskStatus.ACTIVE)
    open_task = replace(
        task, view=view, news=Told(), deadline=UnixSeconds(2**40), nobody_left=True
    )  # fmt: skip
    html = deal_html(deal.deal, Progress((open_task,)))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_a_record_is_bounded_and_keeps_first_and_last():
    record = ThroughputRecord()
    for second in range(10_000):
        record.add(100.0 + second, second)
    assert len(record.points) <= MOST_POINTS
    assert (record.points[0], record.points[-1]) == ((0.0, 0), (9_999.0, 9_999))
    assert "1.00 tasks per second" in throughput_svg(record.points)


def test_what_stands_still_takes_no_room():
    record = ThroughputRecord()
    for second in range(1_000):
        record.add(float(second), 3)
    assert record.points == [(0.0, 3), (999.0, 3)]


@pytest.mark.browser
async def test_a_notebook_follows_a_deal_and_ends_with_a_plot(tmp_path, request, monkeypatch):
    """Executed by a real kernel; what it leaves is looked at in a browser."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    here = request.path.parent
    paths = [str(here), str(here.parent), str(here.parent / "requester")]
    (tmp_path / "market").mkdir()
    book = nbformat.v4.new_notebook()
    code = CELL.format(paths=paths, folder=str(tmp_path / "market"))
    book.cells = [nbformat.v4.new_code_cell(each) for each in (code, "deal.show()", "deal")]
    runs = nbclient.NotebookClient(book, timeout=200, kernel_name="python3")
    await runs.async_execute(cwd=str(tmp_path))
    (live,), (over,), (still,) = (cell.outputs for cell in book.cells)
    for output in (live, over, still):
        assert "5 of 5 task(s) completed" in output["data"]["text/html"]
    assert "<svg" in live["data"]["text/html"]
    page = tmp_path / "page.html"
    head = '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
    style = "<style>:root{color-scheme:light dark}body{font-family:sans-serif}code{overflow-wrap:anywhere}td{overflow-wrap:anywhere}</style>"
    page.write_text(
        f"{head}<title>A notebook</title>{style}<main><h1>A notebook</h1>"
        f"{live['data']['text/html']}</main></html>",
        encoding="utf-8",
    )
    async with visitor() as opens:
        await read_by_everybody(await opens(page.as_uri()), "notebook", tmp_path)
