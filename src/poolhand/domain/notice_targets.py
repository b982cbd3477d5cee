"""Where notices go: a window on this computer, a webhook, an address for e-mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

DESKTOP: Final = "desktop"
_MAIL: Final = re.compile(r"[^@\s<>,;]{1,64}@[A-Za-z0-9.-]{1,190}")
_SMTP_PORTS: Final = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Which takes e-mail: by TLS from the start, or from STARTTLS on where it offers that."""

    host: str
    port: int
    is_tls: bool
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class NoticeTargets:
    """Where notices go.

    Attributes:
        desktop: Whether a window of this computer shows them.
        webhooks: URLs that they are posted to, as JSON.
        mails: Addresses that they are sent to.
    """

    desktop: bool = False
    webhooks: tuple[str, ...] = ()
    mails: tuple[str, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether anybody is told."""
        return self.desktop or bool(self.webhooks or self.mails)


def parse_targets(text: str) -> NoticeTargets:
    """Read ``desktop``, ``https://…`` and ``mailto:…``, separated by commas; raises ValueError."""
    desktop, webhooks, mails = False, [], []
    for each in (part.strip() for part in text.split(",") if part.strip()):
        if each.lower() == DESKTOP:
            desktop = True
        elif each.startswith(("https://", "http://")) and urlsplit(each).hostname:
            webhooks.append(each)
        elif _MAIL.fullmatch(each.removeprefix("mailto:")):
            mails.append(each.removeprefix("mailto:"))
        else:
            raise ValueError("write desktop, https://…, or mailto:you@example.com")
    return NoticeTargets(desktop, tuple(webhooks), tuple(mails))


def parse_mail_server(text: str) -> MailServer | None:
    """Read ``smtp://user:password@host:port`` or ``smtps://…``; raises ValueError."""
    if not text.strip():
        return None
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _SMTP_PORTS or not parts.hostname:
        raise ValueError(
            "write smtp://user:password@host:port, or smtps:// with TLS from the start"
        )
    user, password = (unquote(each or "") for each in (parts.username, parts.password))
    is_tls = parts.scheme == "smtps"
    return MailServer(parts.hostname, port or _SMTP_PORTS[parts.scheme], is_tls, user, password)
