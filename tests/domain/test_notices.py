"""How often somebody is told of what, and where notices go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.notice_targets import (
    MailServer,
    NoticeTargets,
    parse_mail_server,
    parse_targets,
)
from poolhand.domain.notices import (
    FIRST_NOTICE_AFTER,
    MOST_NOTICES_A_DAY,
    PAUSE_AFTER_UNBROUGHT,
    PAUSE_BETWEEN_NOTICES,
    NoticeBook,
    NoticeKind,
)
from poolhand.domain.units import DAY, UnixSeconds

K = NoticeKind
STEPS = st.lists(
    st.tuples(
        st.integers(1, 4 * 3_600),
        st.sets(st.sampled_from([K.OUT_OF_GAS, K.STAKE_LOST, K.OUTDATED, K.OFFLINE])),
    ),
    max_size=60,
)


@given(STEPS)
def test_nobody_is_told_too_often(steps):
    book, now, told = NoticeBook(), UnixSeconds(0), []
    for seconds, kinds in steps:
        now = UnixSeconds(now + seconds)
        for kind, text in book.due(dict.fromkeys(kinds, "why"), now):
            assert (kind in kinds, text) == (True, "why")
            told.append((now, kind))
    for number, (at, kind) in enumerate(told):
        earlier = [before for before, other in told[:number] if other is kind]
        assert all(at - before >= PAUSE_BETWEEN_NOTICES for before in earlier)
        assert sum(at - DAY < before <= at for before, _ in told) <= MOST_NOTICES_A_DAY


def test_what_passes_soon_is_not_told_and_what_lasts_is():
    book = NoticeBook()
    trouble = {K.OFFLINE: "no session"}
    assert book.due(trouble, UnixSeconds(0)) == ()
    assert book.due({}, UnixSeconds(300)) == ()
    assert book.due(trouble, UnixSeconds(600)) == ()
    later = UnixSeconds(600 + FIRST_NOTICE_AFTER)
    assert book.due(trouble, later) == ((K.OFFLINE, "no session"),)
    assert book.due(trouble, UnixSeconds(later + 1)) == ()
    again = UnixSeconds(later + PAUSE_BETWEEN_NOTICES)
    assert book.due(trouble, again) == ((K.OFFLINE, "no session"),)


def test_what_has_reached_nobody_is_tried_again_soon_and_counts_for_nothing():
    book, now = NoticeBook(), UnixSeconds(0)
    for _ in range(2 * MOST_NOTICES_A_DAY):
        assert book.due({K.OUTDATED: "update"}, now) == ((K.OUTDATED, "update"),)
        book.unbrought(K.OUTDATED, now)
        assert book.due({K.OUTDATED: "update"}, UnixSeconds(now + PAUSE_AFTER_UNBROUGHT - 1)) == ()
        now = UnixSeconds(now + PAUSE_AFTER_UNBROUGHT)


def test_what_does_not_pass_by_itself_is_told_at_once():
    told = NoticeBook().due({K.STAKE_LOST: "1 RLC", K.OUTDATED: "update"}, UnixSeconds(9))
    assert told == ((K.STAKE_LOST, "1 RLC"), (K.OUTDATED, "update"))


TWO = ("ann@example.com", "bob@example.com")


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("", NoticeTargets()),
        (" Desktop ,", NoticeTargets(desktop=True)),
        (
            f"https://hook.example/x?y,mailto:{TWO[0]},{TWO[1]}",
            NoticeTargets(webhooks=("https://hook.example/x?y",), mails=TWO),
        ),
    ],
)
def test_targets_are_read(text, targets):
    assert parse_targets(text) == targets
    assert parse_targets(text).is_any is (targets != NoticeTargets())


@pytest.mark.parametrize(
    "text",
    [
        "sms:1",
        "https://",
        "https://a b.example/",
        "https://h.example:99999/",
        "https://[::1",
        "https://h.example/\x1b",
        "ann",
        "ann@",
        "a b@example.com",
        '"@example.com',
        "ä@example.com",
        "a@b.example\nBcc: c@d.example",
    ],
)
def test_what_is_no_target_is_refused(text):
    with pytest.raises(ValueError, match="write desktop"):
        parse_targets(text)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("", None),
        ("smtp://mail.example", MailServer("mail.example", 587, False, "", "")),
        (
            "smtps://ann%40example.com:p%3Aw@mail.example",
            MailServer("mail.example", 465, True, "ann@example.com", "p:w"),
        ),
        ("smtp://mail.example:2525", MailServer("mail.example", 2525, False, "", "")),
    ],
)
def test_a_mail_server_is_read(text, server):
    assert parse_mail_server(text) == server


@pytest.mark.parametrize("text", ["smtp://ann:pä@h.example", "smtp://a%0Ab%40c:x@h.example"])
def test_a_login_that_mail_cannot_carry_is_refused(text):
    with pytest.raises(ValueError, match="plain ASCII"):
        parse_mail_server(text)


@pytest.mark.parametrize("text", ["mail.example", "http://mail.example", "smtp://", "smtp://h:x"])
def test_what_is_no_mail_server_is_refused(text):
    with pytest.raises(ValueError, match="write smtp://"):
        parse_mail_server(text)
