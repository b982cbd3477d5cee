"""Frames and their fields: what is written is read back, anything else is ``Malformed``.

One file, for each kind of field and message is taken through the same round.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.app_lines import AppLine, clean_line
from poolhand.domain.app_progress import WHOLE
from poolhand.domain.errors import Malformed
from poolhand.domain.ids import Address, DealId, ResultDigest, TaskId, TxHash
from poolhand.domain.messages import Nonce
from poolhand.domain.replicate.machine import Action, Finished, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.tee.evidence import TcbStatus
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework
from poolhand.domain.text import is_plain, repaired, shown
from poolhand.domain.units import UnixSeconds
from poolhand.wire.fields import MAX_INT, WIDEST_CHARACTER, clip, cost, tail
from poolhand.wire.frames import MAX_SESSION_FRAME, OversizedMessage, UnknownVersion, decode, encode
from poolhand.wire.journal_json import EventCodec
from poolhand.wire.messages import (
    Aborted,
    About,
    AcknowledgeReports,
    AskReveal,
    AskUpload,
    Capabilities,
    Capacity,
    Close,
    Completed,
    Conditions,
    Declined,
    FollowTask,
    Held,
    Hello,
    Idle,
    Login,
    Logs,
    OfferTask,
    OwnerMessage,
    Reject,
    ReportBatch,
    SessionMessage,
    StatusReport,
    TaskActivated,
    TaskOutput,
    Upload,
    Welcome,
    WorkProgress,
)
from poolhand.wire.session_terms import (
    CALLBACK,
    DETAIL,
    MAX_SENTENCE,
    MAX_WORD,
    MOST_HELD,
    MOST_LINE_NUMBER,
    MOST_REPORTS,
)
from poolhand.wire.tee_messages import AskTeeProof, OfferConfidentialTask, TeeProof, TeeProofJudged


def texts(limit: int):
    plain = st.characters(exclude_categories=("Cs",))
    return st.text(plain, max_size=limit).map(lambda value: clip(value, limit))


PRINTED = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)


def sized(kind, size=32):
    return st.binary(min_size=size, max_size=size).map(kind)


word, sentence, detail = texts(MAX_WORD), texts(MAX_SENTENCE), texts(DETAIL)
count, small = st.integers(0, MAX_INT), st.integers(0, 65_535)
task, nonce, address = sized(TaskId), sized(Nonce), sized(Address, 20)
host = st.sampled_from(["a.example:1", "xn--bcher-kva.example:443", "a.b-c.d:65535"])
signature = st.binary(min_size=65, max_size=65)
app_line = st.builds(AppLine, st.booleans(), st.binary(max_size=200).map(clean_line))


def some(item, most, least=0):
    return st.lists(item, min_size=least, max_size=min(most, 4)).map(tuple)


held = st.builds(Held, task, word)
abilities = st.builds(
    Capabilities, word, word, small, small, count, some(word, 8), st.booleans(), nonce
)
report = st.builds(StatusReport, word, count, st.none() | sized(TxHash), st.none() | detail)
upload = st.builds(Upload, detail, st.none() | st.binary(max_size=CALLBACK), sized(ResultDigest))
MESSAGES = {
    Hello: st.builds(Hello, some(small, 16, 1), count, address, address, sentence, nonce, count),
    Login: st.builds(
        Login,
        small,
        address,
        abilities,
        count,
        nonce,
        signature,
        some(held, MOST_HELD),
    ),
    Welcome: st.builds(Welcome, small, small, sentence, count, signature),
    Reject: st.builds(Reject, word, sentence, st.none() | small),
    OfferTask: st.builds(OfferTask, task, sized(DealId), count, st.sampled_from(Flow), signature),
    TaskActivated: st.builds(TaskActivated, task, count),
    AskReveal: st.builds(AskReveal, task, sized(bytes)),
    AskUpload: st.builds(AskUpload, task),
    Completed: st.builds(Completed, task),
    Aborted: st.builds(Aborted, task, word),
    AcknowledgeReports: st.builds(AcknowledgeReports, task, count),
    Idle: st.builds(Idle, st.dictionaries(word, count, max_size=5)),
    ReportBatch: st.builds(
        ReportBatch, task, count, some(report, MOST_REPORTS, 1), st.none() | upload
    ),
    Logs: st.builds(Logs.tail, task, PRINTED, PRINTED),
    Capacity: st.builds(Capacity, st.none() | sentence),
    OwnerMessage: st.builds(OwnerMessage, count, sentence),
    About: st.builds(About, word, small),
    Conditions: st.builds(Conditions, st.none() | count, count, some(host, 64)),
    Declined: st.builds(Declined, task),
    AskTeeProof: st.builds(AskTeeProof, nonce),
    TeeProofJudged: st.builds(
        TeeProofJudged,
        st.sampled_from(TeeFramework),
        st.none() | sentence,
        st.booleans(),
        st.none() | st.sampled_from(TcbStatus),
    ),
    TeeProof: st.builds(
        TeeProof,
        st.sampled_from(TeeFramework),
        nonce,
        st.sampled_from(EvidenceKind),
        st.binary(max_size=64),
        st.booleans(),
    ),
    FollowTask: st.builds(FollowTask, task, st.none() | count),
    OfferConfidentialTask: st.builds(
        OfferConfidentialTask,
        task,
        sized(DealId),
        count,
        st.sampled_from(Flow),
        signature,
        address,
        sentence,
    ),
    TaskOutput: st.builds(
        TaskOutput, task, st.integers(0, MOST_LINE_NUMBER), some(app_line, 256), st.booleans()
    ),
    WorkProgress: st.builds(
        WorkProgress,
        task,
        st.none() | count,
        *(count,) * 4,
        st.none() | st.integers(0, WHOLE),
        sentence,
    ),
    Close: st.builds(Close, word, sentence),
}
messages = st.one_of(*MESSAGES.values())


def test_every_message_of_the_protocol_is_generated_here():
    assert MESSAGES.keys() == set(get_args(SessionMessage))


def test_every_member_of_every_message_has_a_limit():
    for kind in get_args(SessionMessage):
        hints = get_type_hints(kind, include_extras=True)
        assert all(get_origin(hint) is Annotated for hint in hints.values()), kind


@settings(deadline=None, max_examples=examples(400))
@given(messages)
def test_what_is_written_is_read_back(message):
    text = encode(message)
    assert decode(text) == message
    assert decode(text.encode()) == message
    assert len(text.encode()) <= MAX_SESSION_FRAME


def read(raw):
    """Decode; anything but a frame or ``Malformed`` fails the test by itself."""
    try:
        return decode(raw)
    except Malformed as fault:
        return fault


@settings(deadline=None, max_examples=examples(500))
@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_bytes_are_a_frame_or_malformed(raw):
    assert isinstance(read(raw), (Malformed, *MESSAGES))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=examples(500))
@given(messages, st.data())
def test_a_frame_with_one_member_changed_is_a_frame_or_malformed(message, data):
    envelope = json.loads(encode(message))
    target = data.draw(st.sampled_from([envelope, envelope["body"]]), "where")
    keys = sorted(target) or ["x"]
    target[data.draw(st.sampled_from([*keys, "extra"]), "member")] = data.draw(values, "value")
    found = read(json.dumps(envelope))
    if not isinstance(found, Malformed):
        assert decode(encode(found)) == found


@settings(deadline=None)
@given(messages, st.data())
def test_a_frame_without_one_member_is_malformed(message, data):
    envelope = json.loads(encode(message))
    target = data.draw(st.sampled_from([envelope, envelope["body"] or envelope]))
    del target[data.draw(st.sampled_from(sorted(target)))]
    assert isinstance(read(json.dumps(envelope)), Malformed)


@settings(deadline=None)
@given(messages, st.data())
def test_a_frame_with_one_member_more_is_malformed(message, data):
    envelope = json.loads(encode(message))
    data.draw(st.sampled_from([envelope, envelope["body"]]))["extra"] = data.draw(values)
    assert isinstance(read(json.dumps(envelope)), Malformed)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "null",
        "[]",
        "{}",
        "\ud800",
        b"\xff",
        "[" * 30_000,
        '{"v":2,"v":2,"type":"capacity","body":{"paused":null}}',
        '{"v":true,"type":"capacity","body":{"paused":null}}',
        '{"v":2,"type":"capacity","seq":1,"body":{"paused":null}}',
        '{"v":2,"type":"capacity","body":{"paused":1.0}}',
        '{"v":2,"type":"capacity","body":{"paused":NaN}}',
        '{"v":2,"type":"capacity","body":{}}',
        '{"v":2,"type":"capacity"}',
        '{"v":2,"type":["capacity"],"body":{"paused":null}}',
        '{"v":2,"type":"fire","body":{}}',
        '{"v":2,"type":"conditions","body":{"longest":null,"least_reward":0,"hosts":[]}}',
        '{"v":3,"type":"capacity","body":{"paused":null}}',
        '{"v":2,"type":"upload","body":{"link":"x","callback_data":null,"digest":"0x"}}',
        '{"v":2,"type":"acknowledged","body":{"task_id":"0x' + "00" * 32 + '","count":-1}}',
        '{"v":2,"type":"acknowledged","body":{"task_id":"0x'
        + "00" * 32
        + '","count":9223372036854775808}}',
        '{"v":2,"type":"acknowledged","body":{"task_id":"0x'
        + "00" * 32
        + '","count":'
        + "9" * 5000
        + "}}",
    ],
)
def test_a_frame_that_is_nearly_right_is_malformed(raw):
    assert isinstance(read(raw), Malformed)


def test_the_nearly_right_frames_of_these_tests_are_wrong_in_one_thing_only():
    assert read('{"v":2,"type":"capacity","body":{"paused":null}}') == Capacity(None)
    zero = '{"v":2,"type":"acknowledged","body":{"task_id":"0x' + "00" * 32 + '","count":0}}'
    assert read(zero) == AcknowledgeReports(TaskId(bytes(32)), 0)
    newer = '{"v":3,"type":"conditions","body":{"longest":null,"least_reward":0,"hosts":["a.example:1"]}}'
    assert read(newer) == Conditions(None, 0, ("a.example:1",))


def test_a_frame_of_another_version_is_named_so():
    with pytest.raises(UnknownVersion, match="speaks 2"):
        decode('{"v":1,"type":"capacity","body":{"paused":null}}')


def test_a_line_has_a_number_that_a_database_has_room_for():
    with pytest.raises(OversizedMessage):
        encode(TaskOutput(TaskId(bytes(32)), MOST_LINE_NUMBER + 1, (), is_last=True))
    told = encode(TaskOutput(TaskId(bytes(32)), MOST_LINE_NUMBER, (), is_last=True))
    with pytest.raises(Malformed):
        decode(told.replace(str(MOST_LINE_NUMBER), str(2**63 - 1)))


def test_the_largest_messages_of_a_worker_fit_a_frame():
    word = "w" * MAX_WORD
    reports = (StatusReport("S" * MAX_WORD, MAX_INT, TxHash(bytes(32)), "d" * DETAIL),)
    upload = Upload("l" * DETAIL, bytes(CALLBACK), ResultDigest(bytes(32)))
    everything = [
        ReportBatch(TaskId(bytes(32)), MAX_INT, reports * MOST_REPORTS, upload),
        Logs.tail(TaskId(bytes(32)), "\x01" * 100_000, "é" * 100_000),
        *(
            TaskOutput(
                TaskId(bytes(32)), MOST_LINE_NUMBER, (AppLine(True, clean_line(line)),) * 2, True
            )
            for line in (b"\x01" * 4096, b"\x1b[m" * 1365, b"\xff" * 4096, b'"' * 4096)
        ),
        TaskOutput(
            TaskId(bytes(32)),
            MOST_LINE_NUMBER,
            (AppLine(True, clean_line(b"\x01" * 32)),) * 256,
            True,
        ),
    ]
    for message in everything:
        assert len(encode(message).encode()) <= MAX_SESSION_FRAME
    login = Login(
        1,
        Address(bytes(20)),
        Capabilities(word, word, 9, 9, MAX_INT, (word,) * 8, True, Nonce(bytes(32))),
        MAX_INT,
        Nonce(bytes(32)),
        bytes(65),
        (Held(TaskId(bytes(32)), word),) * MOST_HELD,
    )
    assert len(encode(login).encode()) <= MAX_SESSION_FRAME


def test_a_frame_over_the_limit_is_refused_on_both_sides():
    with pytest.raises(Malformed, match="the limit is"):
        decode(" " * (MAX_SESSION_FRAME + 1))
    with pytest.raises(OversizedMessage):
        encode(Close("x" * 65, ""))


@given(st.text(max_size=200), st.integers(0, 120))
def test_the_tail_of_an_output_keeps_the_end_and_never_goes_over(text, limit):
    kept = tail(text, limit)
    assert cost(kept) <= limit
    assert text.encode("utf-8", "replace").decode().endswith(kept)


ANY = st.text(st.characters(codec=None), max_size=200)


@given(ANY, st.integers(0, 120))
def test_clipping_keeps_the_end_can_be_shown_and_never_goes_over(text, limit):
    kept = clip(text, limit)
    assert cost(kept) <= limit
    assert is_plain(kept)
    assert shown(text).endswith(kept)


@pytest.mark.case("A11")
@given(ANY)
def test_whatever_is_said_in_a_message_leaves_as_it_may_arrive(words):
    sent = Close(clip(words, MAX_WORD), words[:60])
    arrived = decode(encode(sent))
    assert arrived == Close(sent.code, shown(words[:60]))


@pytest.mark.case("A1", "A11")
@pytest.mark.parametrize("words", [r"\ud800", r"\u001b[2J", r"\u202e", r"\n", "\u2028", "\u200b"])
def test_a_message_with_what_commands_or_hides_is_refused(words):
    frame = '{"v":2,"type":"close","body":{"code":"x","message":"%s"}}'
    assert decode(frame % "fine") == Close("x", "fine")
    with pytest.raises(Malformed):
        decode(frame % words)


@pytest.mark.case("A1")
@given(ANY, ANY)
def test_what_an_app_printed_arrives_as_it_was_but_for_what_is_no_character(out, err):
    logs = decode(encode(Logs.tail(TaskId(bytes(32)), out, err)))
    assert (logs.stdout, logs.stderr) == (repaired(out), repaired(err))


@pytest.mark.case("A1")
@given(ANY)
def test_whatever_words_come_with_an_event_it_is_written_down_and_read_again(words):
    done = Finished(UnixSeconds(1), Action.COMPUTE, Status.COMPUTE_FAILED, words)
    record = EventCodec([Finished]).encode(done)
    json.dumps(record, ensure_ascii=False).encode()
    assert EventCodec([Finished]).decode(record) == replace(done, detail=repaired(words))


@given(st.characters(codec="utf-8"))
def test_no_character_takes_more_of_a_frame_than_the_widest(character):
    assert cost(character) <= WIDEST_CHARACTER
    assert cost("\x01") == WIDEST_CHARACTER


@pytest.mark.parametrize("words", [r"\u001b[2J", r"\n", r"\u202e", r"\ud800", r"\u001b]0;x\u0007"])
def test_a_line_of_an_app_that_commands_is_refused(words):
    frame = (
        '{"v":4,"type":"output","body":{"task_id":"0x' + "00" * 32 + '","first":0,"lines":'
        '[[false,"%s"]],"is_last":false}}'
    )
    assert decode(frame % r"\u001b[1mfine\u001b[0m").lines == (
        AppLine(is_error=False, text="\x1b[1mfine\x1b[0m"),
    )
    with pytest.raises(Malformed):
        decode(frame % words)
