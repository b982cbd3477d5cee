"""What any answer may cost a client of ours, whoever gives it."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import httpx
import pytest
from raw_server import body, raw_server, redirect, said

from poolhand.transport.again import a_few_times, again
from poolhand.web.client import (
    AnswerTooLarge,
    Caps,
    GoesElsewhere,
    NoAnswer,
    ask,
    ask_now,
    opened,
)

SOURCE = Path(__file__).parents[2] / "src" / "poolhand"
CAPS = Caps(1_000, seconds=5)


async def asked(script, caps=CAPS, method="GET", **request):
    async with raw_server(script) as server, httpx.AsyncClient(trust_env=False) as http:
        return await ask(http, method, server.url(), caps, **request)


async def drip(writer, _head):
    """Give a byte now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def test_what_is_followed_is_told_as_it_comes():
    heard = asyncio.Event()

    async def follow(writer, _head):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\none\n")
        await heard.wait()
        writer.write(b"two\n")
        writer.close()

    told = []
    async with (
        raw_server(follow) as server,
        httpx.AsyncClient(trust_env=False) as http,
        opened(http, "GET", server.url(), CAPS) as answer,
    ):
        async for piece in answer.pieces(size=None):
            told.append(piece)
            heard.set()
    assert told == [b"one\n", b"two\n"]


async def test_an_answer_comes_with_status_headers_and_the_place_it_came_from():
    answer = await asked(body(b"hello", status="404 No", headers="X-A: b\r\n"))
    assert (answer.status, answer.headers["x-a"], answer.content) == (404, "b", b"hello")
    assert not answer.is_success
    assert answer.url.startswith("http://127.0.0.1:")


@pytest.mark.case("A9")
@pytest.mark.parametrize("length", ["Content-Length: 1001\r\n", ""])
async def test_a_body_over_the_cap_is_left_announced_or_not(length):
    head = f"HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n".encode()
    with pytest.raises(AnswerTooLarge, match="over 1000 bytes"):
        await asked(said(head + b"x" * 1_001))


async def test_a_body_of_exactly_the_cap_is_taken():
    assert len((await asked(body(b"x" * 1_000))).content) == 1_000


async def test_a_head_request_announces_what_it_does_not_send():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
    assert (await asked(said(head), method="HEAD")).status == 200


@pytest.mark.case("A9")
async def test_an_answer_that_dribbles_is_left_in_time():
    with pytest.raises(NoAnswer):
        await asked(drip, Caps(10**9, seconds=0.2))


@pytest.mark.case("A9")
async def test_a_body_that_would_swell_is_not_inflated():
    bomb = gzip.compress(bytes(10**6))
    answer = await asked(body(bomb, headers="Content-Encoding: gzip\r\n"), Caps(len(bomb), 5))
    assert answer.content == bomb


async def test_redirects_are_answers_unless_they_are_to_be_followed():
    async with raw_server(body(b"end")) as last:
        answer = await asked(redirect(last.url()))
        assert (answer.status, answer.headers["location"]) == (302, last.url())
        answer = await asked(redirect(last.url()), Caps(1_000, 5, redirects=1))
        assert (answer.content, answer.url) == (b"end", last.url())


async def test_a_redirect_goes_where_the_caller_allows_and_not_too_often():
    asked_for = []

    async def nowhere(url):
        asked_for.append(url)
        return False

    async with raw_server(body(b"end")) as last:
        with pytest.raises(GoesElsewhere):
            await asked(redirect(last.url()), Caps(1_000, 5, redirects=3), may_visit=nowhere)
        assert (asked_for, last.heads) == ([last.url()], [])
    with pytest.raises(GoesElsewhere, match="more than 3 redirects"):
        await asked(redirect("/again"), Caps(1_000, 5, redirects=3))


@pytest.mark.parametrize("script", [said(b""), said(b"SSH-2.0\r\n"), redirect("http://[bad")])
async def test_whatever_is_no_answer_is_told_in_one_way(script):
    with pytest.raises(NoAnswer):
        await asked(script, Caps(1_000, 5, redirects=1))


async def test_nobody_at_all_has_begun_nothing_and_who_breaks_off_may_have():
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(NoAnswer) as refused:
            await ask(http, "POST", "http://127.0.0.1:9/", CAPS)
    assert not refused.value.begun
    with pytest.raises(NoAnswer) as broken:
        await asked(said(b""), method="POST")
    assert broken.value.begun


# ---------------------------------------------------------------------- without an event loop


async def asked_now(script, most=1_000, seconds=5.0, **request):
    async with raw_server(script) as server:
        return await asyncio.to_thread(ask_now, "GET", server.url(), most, seconds, **request)


async def test_a_service_of_this_machine_is_asked_under_the_same_caps():
    assert (await asked_now(body(b"{}"))).content == b"{}"
    with pytest.raises(AnswerTooLarge):
        await asked_now(body(b"x" * 1_001))
    with pytest.raises(NoAnswer):
        await asked_now(drip, 10**9, 0.2)
    with pytest.raises(NoAnswer) as broken:
        await asked_now(said(b""))
    assert broken.value.begun


# ---------------------------------------------------------------------- again


async def test_what_may_pass_is_tried_again_and_what_lasts_is_raised_at_once():
    waited, faults = [], [TimeoutError("one"), TimeoutError("two")]

    async def pause(seconds):
        waited.append(seconds)

    async def attempt():
        if faults:
            raise faults.pop(0)
        return "done"

    assert await again(attempt, TimeoutError, a_few_times, pause) == "done"
    assert waited == [0.5, 2.0]
    faults += [TimeoutError(str(n)) for n in range(3)]
    with pytest.raises(TimeoutError, match="2"):
        await again(attempt, TimeoutError, a_few_times, pause)
    faults[:] = [KeyError("lasts")]
    with pytest.raises(KeyError):
        await again(attempt, TimeoutError, a_few_times, pause)
    assert waited == [0.5, 2.0, 0.5, 2.0]


def test_no_other_module_reads_an_answer_of_its_own():
    """Bodies are read in ``web.client`` alone; the devnet's tools ask only themselves."""
    reads = re.compile(r"\.aiter_\w+\(|\.iter_raw\(|http\w*\.(?:stream|get|post|head|put)\(")
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if reads.search(path.read_text(encoding="utf-8")) and "devnet" not in path.parts
    }
    assert found == {"web/client.py"}
