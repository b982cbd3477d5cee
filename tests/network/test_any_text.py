"""Every entrance is fed with hostile texts; whatever comes of it leaves well-formed at every exit.

An entrance gives a value or one of our errors, never anything else. What it gives, and what its
error says, then goes out by all ways: journal, frame, JSON answer, log line, page, error line.
"""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import redirect_stderr
from dataclasses import asdict, is_dataclass

import httpx
import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from many import examples
from poolhand import observe
from poolhand.appimage.reference import ImageReference as WantedImage
from poolhand.cli.faults import tell
from poolhand.cli.render import grid, pairs
from poolhand.cli.terminal import Console
from poolhand.containers.image_name import ImageName
from poolhand.domain import multiaddr
from poolhand.domain.archive_names import parts_of
from poolhand.domain.computed import Computed, result_digest
from poolhand.domain.errors import PoolhandError, Refused
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.orders.model import RequestOrder
from poolhand.domain.params import DealParams, split_arguments
from poolhand.domain.replicate.machine import Action, Finished
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import Tag
from poolhand.domain.text import is_plain, is_well_formed
from poolhand.domain.units import UnixSeconds
from poolhand.settings.load import Option, load
from poolhand.store.memory import MemoryJournal
from poolhand.transport.asgi import fault_response
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.pool_client import PoolClient
from poolhand.transport.results_client import ArchiveReader
from poolhand.wire.fields import clip
from poolhand.wire.frames import decode, encode
from poolhand.wire.journal_json import EventCodec
from poolhand.wire.messages import Close, Logs
from poolhand.wire.order_json import decode_order
from poolhand.wire.session_terms import DETAIL, MAX_WORD
from poolhand.worker.stages.download import input_name

TASK = TaskId(bytes(32))
OPTION = Option("name", "NAME", str, "x", "a name")
PIECES = ["\ud800", "\udfff", "\x00", "\x1b[2J", "\x9b", "\r", "\n", "\u202e", "\u200b", "\u2028",
          "\ufeff", "😀", "[/red]", "{", "\\", '"', "/", "..", "é", "x" * 5_000]  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), st.characters(codec=None)), max_size=6).map(
    "".join
)


# ----------------------------------------------------------------------------------- entrances


def order_with(words):
    raw = dict.fromkeys(("appmaxprice", "datasetmaxprice", "workerpoolmaxprice", "volume", "category", "trust"), "0")  # fmt: skip
    raw |= dict.fromkeys(("app", "dataset", "workerpool", "requester", "beneficiary", "callback"),
                         "0x" + "00" * 20)  # fmt: skip
    raw |= {"tag": "0x" + "00" * 32, "salt": "0x" + "00" * 32, "params": words, "sign": "0x"}
    return decode_order(RequestOrder, raw).order.params


def params_with(words):
    params = DealParams.parse(json.dumps({"iexec_args": words, "iexec_input_files": [words]}))
    return [*split_arguments(params.args or ""), *map(input_name, params.input_files)]


def computed_with(words):
    said = {"deterministic-output-path": "/iexec_out/" + words}
    computed = Computed.parse(json.dumps(said).encode())
    result_digest(computed, {computed.inside: bytes(32)}, with_callback=False)
    return computed.path


def frame_with(words):
    body = json.dumps({"code": words[:5], "message": words})
    return asdict(decode(f'{{"v":1,"type":"close","body":{body}}}').message)


def answer_of(client, status, words):
    """Ask a client of ours whose peer answers with these words in all places."""
    body = json.dumps({"code": words, "message": words, words: [words], "results_url": words})

    async def asked():
        stream = httpx.ByteStream(body.encode())  # as from a network: not read yet
        peer = httpx.MockTransport(lambda _: httpx.Response(status, stream=stream))
        async with httpx.AsyncClient(transport=peer) as http:
            return await client(http)

    return asyncio.run(asked())


def pool_answers(status):
    return lambda w: answer_of(lambda http: PoolClient(http, "http://p").config(), status, w)


def results_answer(status):
    return lambda w: answer_of(
        lambda http: ArchiveReader(http).download("http://r/v1/results/x", "/nowhere/x"), status, w
    )


ENTRANCES = {
    "deal params": DealParams.parse,
    "members of params": params_with,
    "computed.json": computed_with,
    "member of computed.json": lambda w: Computed.parse(json.dumps({w: 1}).encode()),
    "file name": parts_of,
    "json": lambda w: parse_json(json.dumps([w, {w: w}])),
    "frame": frame_with,
    "order": order_with,
    "location on chain": lambda w: multiaddr.decode(w.encode("utf-8", "surrogatepass")),
    "image": ImageName.parse,
    "image to buy": WantedImage.parse,
    "location of an asset": lambda w: multiaddr.decode(multiaddr.encode(w)),
    "setting": lambda w: load([OPTION], {"name": w}, {})["name"],
    "environment": lambda w: load([OPTION], {}, {"NAME": w})["name"],
    "id": TaskId.parse,
    "address": Address.parse,
    "tag": Tag.parse,
    "a pool's answer": pool_answers(200),
    "a pool's refusal": pool_answers(400),
    "a results service's refusal": results_answer(400),
    "a results service's trouble": results_answer(503),
}


def texts_in(value):
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        yield from texts_in(asdict(value))
    elif isinstance(value, dict):
        yield from texts_in([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_in(each)


# --------------------------------------------------------------------------------------- exits


def journal(words):
    done = Finished(UnixSeconds(1), Action.COMPUTE, Status.COMPUTE_FAILED, words)
    kept = MemoryJournal()
    kept.append("s", EventCodec([Finished]).encode(done))
    return json.dumps([event for _, event in kept.read()], ensure_ascii=False)


def frames(words):
    printed = encode(Logs.tail(TASK, words, words))
    assert is_well_formed(printed)
    return encode(Close(clip(words, MAX_WORD), clip(words, DETAIL)[-200:]))


def log_lines(words):
    stream = io.StringIO()
    for as_json in (True, False):
        observe.configure(json=as_json, stream=stream)
        structlog.get_logger().warning("told", cause=words, all=[words, {"x": words}])
        structlog.get_logger().error("failed", exc_info=Refused(words))
    structlog.reset_defaults()
    assert len(stream.getvalue()) < 40_000
    return stream.getvalue()


def page(words):
    out = io.StringIO()
    Console(file=out, width=80).print(
        pairs([("why", words)]), grid(["a", "b"], [(words, 1)]), words
    )
    return out.getvalue()


def error_line(words):
    out = io.StringIO()
    with redirect_stderr(out):
        tell("code", words, as_json=False)
    return out.getvalue()


EXITS = {
    "journal": (journal, False),
    "frame": (frames, True),
    "answer": (lambda w: JsonAnswer({"x": w, "y": [w]}).body.decode(), False),
    "error answer": (lambda w: fault_response(Refused(w)).body.decode(), False),
    "log": (log_lines, True),
    "page": (page, True),
    "error line": (error_line, True),
}


def leaves_well(words):
    for name, (exit_of, for_people) in EXITS.items():
        told = exit_of(words)
        assert is_well_formed(told), name
        assert not for_people or is_plain(told, lines=True), name


@pytest.mark.case("A1", "A6", "A11")
@pytest.mark.parametrize("entrance", ENTRANCES)
@settings(max_examples=examples(25))
@given(HOSTILE)
@example("\ud800")
@example("\x1b]0;title\x07\u202e")
def test_whatever_enters_is_a_text_or_refused_and_leaves_as_one(entrance, words):
    try:
        found = ENTRANCES[entrance](words)
    except PoolhandError as fault:
        leaves_well(str(fault))
        return
    except ValueError:
        assert entrance == "json"
        return
    for text in texts_in(found):
        assert is_well_formed(text)
        leaves_well(text)


@given(HOSTILE)
def test_whatever_words_of_ours_were_made_of_leaves_as_a_text(words):
    leaves_well(words)
