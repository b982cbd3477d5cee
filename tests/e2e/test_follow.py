"""A task followed on a whole network: a line while the app runs, and on over the pool's death."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import defaultdict

import pytest

from poolhand import Client
from poolhand.devnet.images import publish
from poolhand.domain.app_progress import PROGRESS_FILE
from poolhand.wire.output_api import NewsKind

APP = """
import json, os, pathlib, sys, time

progress = pathlib.Path(os.environ["POOLHAND_PROGRESS"])
for number in range(int(sys.argv[1])):
    progress.write_text(f"{number / int(sys.argv[1]):.3f} step {number}")
    print(f"\\x1b[1mline {number}\\x1b[0m at {time.time()}", flush=True)
    time.sleep(0.2)
out = pathlib.Path(os.environ["IEXEC_OUT"])
(out / "result.txt").write_text("told\\n")
(out / "computed.json").write_text(
    json.dumps({"deterministic-output-path": "/iexec_out/result.txt"})
)
"""
STEPS = 400
"""Each takes 0.2 s: the app must outlive a pool that is killed and starts again on a busy computer."""


@pytest.fixture
def client(network, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("POOLHAND_", "IEXEC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("POOLHAND_HOME", str(network.home))
    with Client(account="requester") as made:
        yield made


@pytest.fixture
def image(network, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text(APP)
    asyncio.run(publish(app, "poolhand/steps:1.0", network.info.registry))
    return "devnet/poolhand/steps:1.0"


def test_a_line_is_seen_while_the_app_runs_and_none_twice_over_the_pools_death(
    network, client, image, tmp_path
):
    deal = client.run(image, str(STEPS))
    (task,) = deal.tasks
    numbers, fractions, late, killed = defaultdict(list), [], [], False
    for news in task.logs(follow=True):
        now = time.time()
        for line in news.lines:
            assert line.text.startswith("\x1b[1mline ")
            words = line.text.replace("\x1b[1m", "").replace("\x1b[0m", "").split()
            numbers[news.worker].append(int(words[1]))
            late.append(now - float(words[3]))
        if news.progress is not None and news.progress.fraction is not None:
            fractions.append(news.progress.fraction)
        assert news.left_out == 0
        if len(late) >= 10 and not killed:
            killed = True
            network.start("pool", network.end("pool"))
    assert news.kind is NewsKind.END
    assert all(told == list(range(len(told))) for told in numbers.values())
    assert max(map(len, numbers.values())) == STEPS  # a second worker may have been put beside
    assert 0 < max(fractions) < 1
    result = deal.result(tmp_path / "result")
    assert PROGRESS_FILE not in result.files
    said = client.task(task.id).logs()
    assert STEPS in [out.count("line") for out, _ in said.values()]
    told = f"seconds from app to reader: first {late[0]:.3f}, median {sorted(late)[STEPS // 2]:.3f}"
    sys.stderr.write(f"{told}\n")
