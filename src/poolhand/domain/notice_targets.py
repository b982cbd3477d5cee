"""Where notices go: a window on this computer, a webhook, an address for e-mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

DESKTOP: Final = "desktop"
_MAIL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,190}")
_LOGIN: Final = re.compile(r"[!-~ ]*")
"""What SMTP's logins and the header of a mail can hold as it is."""
_HOST: Final = re.compile(r"[^\s/?#@\\\x00-\x20]{1,253}")
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
        elif _is_webhook(each):
            webhooks.append(each)
        elif _MAIL.fullmatch(each.removeprefix("mailto:")):
            mails.append(each.removeprefix("mailto:"))
        else:
            raise ValueError("write desktop, https://…, or mailto:you@example.com")
    return NoticeTargets(desktop, tuple(webhooks), tuple(mails))


def _is_webhook(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_port = parts.port != 0
    except ValueError:
        return False
    is_web = parts.scheme in ("https", "http") and text.isprintable() and " " not in text
    return is_web and is_port and _HOST.fullmatch(parts.hostname or "") is not None


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
    if not (_LOGIN.fullmatch(user) and _LOGIN.fullmatch(password)):
        raise ValueError("user and password must be plain ASCII, special characters as %40")
    is_tls = parts.scheme == "smtps"
    return MailServer(parts.hostname, port or _SMTP_PORTS[parts.scheme], is_tls, user, password)
