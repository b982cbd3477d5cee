"""What a purchase is told by plain texts and numbers, read into the terms of a wish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poolhand.client.errors import UnknownCategory
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.network_hosts import MOST_HOSTS, read_hosts
from poolhand.domain.params import join_arguments
from poolhand.domain.tag import Tag
from poolhand.domain.text import shown
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, parse_rlc
from poolhand.requester.requester import Requester


def amount_of(budget: str | NanoRlc | None) -> NanoRlc | None:
    """Read an amount of RLC (``"1.5 RLC"``), or take nRLC as they are; raises BadAmount."""
    return parse_rlc(budget) if isinstance(budget, str) else budget


def address_of(told: str | Address) -> Address:
    """Read an address, or take one as it is; raises BadHex."""
    return told if isinstance(told, Address) else Address.parse(told)


async def terms_of(
    requester: Requester,
    args: str | Sequence[str] = "",
    *,
    dataset: str | Address = ZERO_ADDRESS,
    inputs: Iterable[str] = (),
    hosts: Iterable[str] = (),
    trust: int = 1,
    category: int | str = 0,
    tasks: int = 1,
    tag: Iterable[str] = (),
    pool: str | Address = ZERO_ADDRESS,
    beneficiary: str | Address | None = None,
    callback: str | Address = ZERO_ADDRESS,
    encrypt: bool = False,
    secrets: Mapping[int, str] | None = None,
    accept_simulated_tee: bool = False,
) -> dict[str, Any]:
    """Return terms as a wish takes them; raises what is wrong with one."""
    return {
        "dataset": address_of(dataset),
        "args": args if isinstance(args, str) else join_arguments(args),
        "inputs": tuple(inputs),
        "encrypted": encrypt,
        "secrets": tuple(sorted((secrets or {}).items())),
        "accepts_simulated_tee": accept_simulated_tee,
        "hosts": read_hosts(hosts, MOST_HOSTS),
        "trust": Trust(trust),
        "tasks": tasks,
        "category": await _category(requester, category),
        "tag": Tag.of(tag.split(",") if isinstance(tag, str) else tag),
        "callback": address_of(callback),
        "beneficiary": None if beneficiary is None else address_of(beneficiary),
        "workerpool": address_of(pool),
    }


async def _category(requester: Requester, told: int | str) -> int:
    """Return the number of a category; raises UnknownCategory."""
    known = await requester.hub.categories()
    for number, each in known.items():
        if told in (number, each.name):
            return number
    names = ", ".join(f"{number} ({shown(each.name, 20)})" for number, each in known.items())
    raise UnknownCategory(f"the hub has no category {shown(str(told), 40)}: it has {names}")
