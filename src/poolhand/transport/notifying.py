"""Bringing notices: as a window, to a webhook, by e-mail. Its libraries load where one is brought.

E-mail goes by Python's own ``smtplib``, a webhook by the client that all else here uses, a window
by ``notify-send`` of the desktop; why no library of notification services: docs/adr/0117.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from html import escape
from typing import Final
from urllib.parse import urlsplit

from poolhand.domain.notice_targets import DESKTOP, MailServer, NoticeTargets
from poolhand.domain.notices import WorkerNotice
from poolhand.domain.text import shown

LONGEST_NOTICE: Final = 20.0
"""Seconds for one target."""
WINDOW_PROGRAM: Final = "notify-send"
_MOST_SHOWN_OF_FAULT: Final = 200
"""Characters: a mail server may say anything."""


class TargetNotifier:
    """Implements ``ports.notifier.Notifier``.

    Args:
        targets: Tells where notices go.
        server: Tells which takes e-mail; None: none does.
        window: Program that shows a window.
    """

    def __init__(
        self,
        targets: Callable[[], NoticeTargets],
        server: Callable[[], MailServer | None],
        window: str = WINDOW_PROGRAM,
    ) -> None:
        self._targets, self._server, self._window = targets, server, window

    async def bring(self, notice: WorkerNotice) -> Mapping[str, str | None]:
        """Bring it everywhere at once; see ``Notifier.bring``."""
        targets, ways = self._targets(), list[tuple[str, Coroutine[None, None, None]]]()
        if targets.desktop:
            ways.append((DESKTOP, self._show(notice)))
        for url in targets.webhooks:
            ways.append((f"webhook {urlsplit(url).hostname}", self._post(url, notice)))
        for address in targets.mails:
            ways.append((address, self._mail(address, notice)))
        found = await asyncio.gather(*(_told(way) for _, way in ways))
        return dict(zip(_numbered([name for name, _ in ways]), found, strict=True))

    async def _post(self, url: str, notice: WorkerNotice) -> None:
        import httpx  # noqa: PLC0415 - see above

        from poolhand.web.client import Caps, opened  # noqa: PLC0415 - see above
        from poolhand.web.trusted import trusted  # noqa: PLC0415 - see above

        told = {
            "kind": notice.kind,
            "worker": notice.worker,
            "text": notice.text,
            "at": notice.at,
            "title": notice.title,
        }
        async with (
            httpx.AsyncClient(timeout=LONGEST_NOTICE, verify=trusted(environment=True)) as http,
            opened(http, "POST", url, Caps(0, LONGEST_NOTICE), json=told) as answer,
        ):
            if not answer.is_success:
                raise OSError(f"it answered {answer.status}")

    async def _mail(self, address: str, notice: WorkerNotice) -> None:
        server = self._server()
        if server is None:
            raise OSError("no server takes e-mail: set notify-smtp")
        await asyncio.to_thread(_send_mail, server, address, notice)

    async def _show(self, notice: WorkerNotice) -> None:
        program = shutil.which(self._window)
        if program is None:
            raise OSError(f"this computer has no {self._window}: install it, or use another way")
        child = await asyncio.create_subprocess_exec(
            program,
            "--app-name=poolhand",
            "--",
            notice.title,
            escape(notice.text, quote=False),  # desktops read markup in it
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            code = await child.wait()
        finally:
            with suppress(ProcessLookupError):
                if child.returncode is None:
                    child.kill()
        if code:
            raise OSError(f"{self._window} failed: this program has no desktop to show it on")


def _numbered(names: list[str]) -> list[str]:
    """Return names of which no two are alike: two webhooks may have one host."""
    seen = Counter[str]()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return made


async def _told(bringing: Coroutine[None, None, None]) -> str | None:
    """Return why a target has not been reached; None where it was."""
    import httpx  # noqa: PLC0415 - see above

    from poolhand.web.client import NoAnswer  # noqa: PLC0415 - see above

    try:
        async with asyncio.timeout(LONGEST_NOTICE):
            await bringing
    except TimeoutError:
        return f"no answer within {LONGEST_NOTICE:.0f} s"
    except (OSError, ValueError, NoAnswer, httpx.InvalidURL) as fault:
        return shown(str(fault), _MOST_SHOWN_OF_FAULT) or type(fault).__name__
    return None


def _send_mail(server: MailServer, address: str, notice: WorkerNotice) -> None:
    """Send it; raises OSError, as every fault of ``smtplib`` is one."""
    import smtplib  # noqa: PLC0415 - see above
    from email.message import EmailMessage  # noqa: PLC0415 - see above

    from poolhand.web.trusted import trusted  # noqa: PLC0415 - see above

    message = EmailMessage()
    message["Subject"], message["To"] = notice.title, address
    message["From"] = server.user if "@" in server.user else address
    message.set_content(notice.text + "\n")
    trust = trusted(environment=True)
    link: smtplib.SMTP
    if server.is_tls:
        link = smtplib.SMTP_SSL(server.host, server.port, timeout=LONGEST_NOTICE, context=trust)
    else:
        link = smtplib.SMTP(server.host, server.port, timeout=LONGEST_NOTICE)
    with link:
        link.ehlo()
        is_tls = server.is_tls or link.has_extn("starttls")
        if is_tls and not server.is_tls:
            link.starttls(context=trust)
            link.ehlo()
        if server.user:
            if not is_tls:  # whoever stands between could have taken the offer out
                raise OSError(
                    "the server offers no TLS, and a password is sent to none without: name one "
                    "that does"
                )
            link.login(server.user, server.password)
        link.send_message(message)
