"""Bringing notices: as a window, to a webhook, by e-mail. Its libraries load where one is brought.

E-mail goes by Python's own ``smtplib``, a webhook by the client that all else here uses, a window
by ``notify-send`` of the desktop; why no library of notification services: docs/adr/0117.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from poolhand.domain.notice_targets import DESKTOP, MailServer, NoticeTargets
from poolhand.domain.notices import WorkerNotice

LONGEST_NOTICE: Final = 20.0
"""Seconds for one target."""
MAX_WEBHOOK_ANSWER: Final = 65_536
WINDOW_PROGRAM: Final = "notify-send"


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
        targets, brought = self._targets(), {}
        if targets.desktop:
            brought[DESKTOP] = self._show(notice)
        for url in targets.webhooks:
            brought[f"webhook {urlsplit(url).hostname}"] = self._post(url, notice)
        for address in targets.mails:
            brought[address] = self._mail(address, notice)
        found = await asyncio.gather(*map(_told, brought.values()))
        return dict(zip(brought, found, strict=True))

    async def _post(self, url: str, notice: WorkerNotice) -> None:
        import httpx  # noqa: PLC0415 - see above

        told = {
            "kind": notice.kind,
            "worker": notice.worker,
            "text": notice.text,
            "at": notice.at,
            "title": notice.title,
        }
        async with (
            httpx.AsyncClient(timeout=LONGEST_NOTICE, follow_redirects=False) as http,
            http.stream("POST", url, json=told) as answer,
        ):
            if not answer.is_success:
                raise OSError(f"it answered {answer.status_code}")

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
            notice.text,
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


async def _told(bringing: object) -> str | None:
    """Return why a target has not been reached; None where it was."""
    import httpx  # noqa: PLC0415 - see above

    try:
        async with asyncio.timeout(LONGEST_NOTICE):
            await bringing  # type: ignore[misc]
    except TimeoutError:
        return f"no answer within {LONGEST_NOTICE:.0f} s"
    except (OSError, httpx.HTTPError) as fault:
        return str(fault) or type(fault).__name__
    return None


def _send_mail(server: MailServer, address: str, notice: WorkerNotice) -> None:
    """Send it; raises OSError, as every fault of ``smtplib`` is one."""
    import smtplib  # noqa: PLC0415 - see above
    import ssl  # noqa: PLC0415 - see above
    from email.message import EmailMessage  # noqa: PLC0415 - see above

    message = EmailMessage()
    message["Subject"], message["To"] = notice.title, address
    message["From"] = server.user if "@" in server.user else address
    message.set_content(notice.text + "\n")
    trust = ssl.create_default_context()
    link: smtplib.SMTP
    if server.is_tls:
        link = smtplib.SMTP_SSL(server.host, server.port, timeout=LONGEST_NOTICE, context=trust)
    else:
        link = smtplib.SMTP(server.host, server.port, timeout=LONGEST_NOTICE)
    with link:
        link.ehlo()
        if not server.is_tls and link.has_extn("starttls"):
            link.starttls(context=trust)
            link.ehlo()
        if server.user:
            if not (server.is_tls or link.has_extn("auth")):
                raise OSError("the server takes no login without TLS")
            link.login(server.user, server.password)
        link.send_message(message)
