"""Notices arrive: at a webhook, at a mail server, as a window; or it is told why not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from local_http import Handler, serving
from poolhand.domain.notice_targets import MailServer, NoticeTargets
from poolhand.domain.notices import NoticeKind, WorkerNotice
from poolhand.domain.units import UnixSeconds
from poolhand.transport.notifying import TargetNotifier

NOTICE = WorkerNotice(NoticeKind.OUT_OF_GAS, "ann", "send 0.1 coins to 0xaa", UnixSeconds(7))
ANN = ("ann@example.com",)


def notifier(server=None, window="notify-send", **targets):
    return TargetNotifier(lambda: NoticeTargets(**targets), lambda: server, window)


async def fault_of(made):
    (fault,) = (await made.bring(NOTICE)).values()
    return fault


async def test_a_webhook_gets_what_happened_as_json():
    got = []

    class Hook(Handler):
        def do_POST(self):  # noqa: N802 - the name that http.server calls
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204 if self.path == "/well" else 500)
            self.end_headers()

    with serving(Hook) as url:
        well = notifier(webhooks=(f"{url}/well",))
        assert await well.bring(NOTICE) == {"webhook 127.0.0.1": None}
        assert await fault_of(notifier(webhooks=(f"{url}/ill",))) == "it answered 500"
    assert got[0] == {
        "kind": "out-of-gas",
        "worker": "ann",
        "text": "send 0.1 coins to 0xaa",
        "at": 7,
        "title": "Poolhand worker ann: out of gas",
    }


async def test_two_webhooks_of_one_host_are_both_told():
    got = []

    class Hook(Handler):
        def do_POST(self):  # noqa: N802 - the name that http.server calls
            got.append(self.path)
            self.send_response(204 if self.path == "/one" else 404)
            self.end_headers()

    with serving(Hook) as url:
        brought = await notifier(webhooks=(f"{url}/one", f"{url}/two")).bring(NOTICE)
    assert sorted(got) == ["/one", "/two"]
    assert brought == {"webhook 127.0.0.1": None, "webhook 127.0.0.1 (2)": "it answered 404"}


async def test_a_webhook_that_is_not_there_is_told():
    assert await fault_of(notifier(webhooks=("http://127.0.0.1:1/",)))


@pytest.mark.parametrize(
    "url", ["http://a b/", "http://h:99999/", "http://" + "a" * 70 + ".test/", "http://[v1.x]/"]
)
async def test_a_target_that_no_client_takes_is_told_and_ends_nothing(url):
    assert await fault_of(notifier(webhooks=(url,)))


@pytest.mark.parametrize("user", ["a\n@b.test", "\x00@b.test", "ä"])
async def test_a_login_that_no_mail_can_carry_is_told_and_ends_nothing(user):
    async with mail_server() as (port, _):
        server = MailServer("127.0.0.1", port, False, user, "p")
        assert await fault_of(notifier(server, mails=ANN))


async def test_no_text_becomes_a_header():
    sly = replace(NOTICE, worker="ann\nBcc: eve@example.com", text="hi\n.\nQUIT\nBcc: eve@x.test")
    async with mail_server() as (port, mails):
        server = MailServer("127.0.0.1", port, False, "", "")
        assert await notifier(server, mails=ANN).bring(sly) != {ANN[0]: None}
        assert await notifier(server, mails=ANN).bring(replace(sly, worker="ann")) == {ANN[0]: None}
    (mail,) = mails
    assert "Bcc" not in mail.split("\r\n\r\n", 1)[0]


@asynccontextmanager
async def mail_server(*, refuses=False, said=None):
    """Take e-mail as RFC 5321 has it, without TLS; yields its port and what came.

    It offers a login, as one does to whom somebody between has taken the offer of TLS; what it
    hears is added to ``said``.
    """
    mails = []

    async def take(reader, writer):
        async def says(text):
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        await says("220 test")
        while line := (await reader.readline()).decode().strip():
            verb = line[:4].upper()
            (said if said is not None else []).append(verb)
            if verb == "EHLO":
                await says("250-test")
                await says("250 AUTH PLAIN LOGIN")
                continue
            if verb == "DATA":
                await says("354 go on")
                mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            if verb == "QUIT":
                await says("221 bye")
                break
            await says("550 no" if refuses and verb == "RCPT" else "250 well")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], mails
    finally:
        server.close()
        await server.wait_closed()


async def test_a_mail_arrives_and_says_who_must_act():
    async with mail_server() as (port, mails):
        server = MailServer("127.0.0.1", port, False, "", "")
        assert await fault_of(notifier(server, mails=ANN)) is None
    (mail,) = mails
    assert "Subject: Poolhand worker ann: out of gas" in mail
    assert "To: ann@example.com" in mail
    assert "send 0.1 coins to 0xaa" in mail


async def test_a_mail_server_that_refuses_is_missing_or_has_no_tls_for_a_login_is_told():
    said = []
    async with mail_server(refuses=True, said=said) as (port, mails):
        server = MailServer("127.0.0.1", port, False, "", "")
        assert "550" in await fault_of(notifier(server, mails=ANN))
        login = MailServer("127.0.0.1", port, False, "ann", "secret")
        found = await fault_of(notifier(login, mails=ANN))
        assert "a password is sent to none without" in found
    assert mails == []
    assert "AUTH" not in said
    assert "notify-smtp" in await fault_of(notifier(mails=ANN))


async def test_a_window_is_shown_by_the_desktops_program(tmp_path):
    shown, program = tmp_path / "shown", tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {shown}\n')
    program.chmod(0o755)
    made = notifier(window=str(program), desktop=True)
    assert await made.bring(NOTICE) == {"desktop": None}
    assert shown.read_text().splitlines()[1:] == ["--", NOTICE.title, NOTICE.text]
    sly = replace(NOTICE, text='<img src="http://x.test"/> & so')
    assert await made.bring(sly) == {"desktop": None}
    assert shown.read_text().splitlines()[-1] == '&lt;img src="http://x.test"/&gt; &amp; so'
    assert await made.bring(replace(NOTICE, text="\x00")) == {"desktop": "embedded null byte"}
    program.write_text("#!/bin/sh\nexit 1\n")
    assert "no desktop to show it on" in await fault_of(made)
    assert "install it" in await fault_of(notifier(window="/nowhere/x", desktop=True))


def test_what_sends_mail_loads_where_one_is_sent():
    code = "import sys, poolhand.transport.notifying; print('smtplib' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
