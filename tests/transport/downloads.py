"""Downloads as tests want them: at once, of little, and from wherever a name shall lead."""

from __future__ import annotations

from ipaddress import ip_address

from poolhand.transport.address_rule import AddressRule
from poolhand.transport.fetcher import FetchRules, SafeFetcher

OPEN = FetchRules(AddressRule(allow_http=True, allow_private=True))
TEXT = b"It was the best of times"
LIMIT = 1000


async def at_once(_seconds):
    """Let no time pass between two tries."""


async def fetch(uri, target, rules=OPEN, *, limit=LIMIT, timeout=10, **parts):
    fetcher = SafeFetcher(rules, **{"pause": at_once, **parts})
    return await fetcher.fetch(uri, str(target), limit, timeout)


def nothing_left(target):
    return list(target.parent.iterdir()) == []


def resolver(*answers):
    """Resolve every name to the next of ``answers``; the last one repeats."""
    queue, asked = list(answers), []

    async def resolve(host, _port):
        asked.append(host)
        found = queue.pop(0) if len(queue) > 1 else queue[0]
        return tuple(ip_address(each) for each in found)

    resolve.asked = asked
    return resolve
