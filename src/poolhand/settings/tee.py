"""Enclaves: which a worker says that it has, and what a pool asks of their quotes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from poolhand.domain.tee.evidence import QuotePolicy, TcbStatus
from poolhand.domain.tee.framework import TeeFramework
from poolhand.settings.home import at_home
from poolhand.settings.load import Option, web_url, words

_LEVELS: Final = {each.value.lower(): each for each in TcbStatus if each is not TcbStatus.REVOKED}


def _frameworks(text: str) -> tuple[TeeFramework, ...]:
    named = dict.fromkeys(each.lower() for each in words(text))
    known = [each.value for each in TeeFramework]
    for each in named:
        if each not in known:
            raise ValueError(f"'{each[:40]}' is no framework: use {', '.join(known)}")
    return tuple(map(TeeFramework, named))


def _levels(text: str) -> frozenset[TcbStatus]:
    named = words(text)
    for each in named:
        if each.lower() not in _LEVELS:
            known = ", ".join(_LEVELS.values())
            raise ValueError(f"'{each[:60]}' is no level that can be taken: use {known}")
    return frozenset(_LEVELS[each.lower()] for each in named)


def _advisories(text: str) -> frozenset[str]:
    return frozenset(words(text))


WORKER_TEE_OPTIONS: Final[tuple[Option, ...]] = (
    Option("tee", "POOLHAND_TEE", _frameworks, "",
           "frameworks of confidential tasks that this worker shows its pool to work, separated by "
           "commas: tdx (the machine is a TDX guest), gramine (the worker runs in it), scone"),
    Option("simulated-tee", "POOLHAND_SIMULATED_TEE", str, "",
           "file of a simulated machine, whose quotes are given instead: nothing is kept secret; "
           "empty: this machine's own"),
)  # fmt: skip
QUOTE_OPTIONS: Final[tuple[Option, ...]] = (
    Option("pccs-url", "POOLHAND_PCCS_URL", web_url, "",
           "service that gives what Intel's quotes are judged by: Intel's own "
           "(https://api.trustedservices.intel.com) or a cache of it; empty: none counts"),
    Option("tcb-levels", "POOLHAND_TCB_LEVELS", _levels, "UpToDate",
           "how a machine with enclaves may stand, in Intel's words, separated by commas"),
    Option("tcb-advisories", "POOLHAND_TCB_ADVISORIES", _advisories, "",
           "Intel's advisories that one below UpToDate may have, separated by commas"),
)  # fmt: skip
"""How quotes of hardware are judged, by pools and by secret management services."""
POOL_TEE_OPTIONS: Final[tuple[Option, ...]] = (
    Option("simulated-tee", "POOLHAND_SIMULATED_TEE", str, "",
           "file of a simulated root, by which workers may prove enclaves that keep nothing "
           "secret; empty: hardware alone counts"),
    *QUOTE_OPTIONS,
)  # fmt: skip


def simulated_tee_file(found: Mapping[str, object]) -> Path | None:
    """Return the file of a simulated root or machine, where one is named.

    Raises:
        BadSetting: It is below a home that nobody has.
    """
    named = found["simulated-tee"]
    return at_home(str(named)) if named else None


def quote_policy_of(found: Mapping[str, object]) -> QuotePolicy:
    """Return what quotes are asked, from values of ``QUOTE_OPTIONS`` and ``simulated-tee``."""
    statuses, advisories = found["tcb-levels"], found["tcb-advisories"]
    assert isinstance(statuses, frozenset)
    assert isinstance(advisories, frozenset)
    simulated = bool(found["simulated-tee"])
    return QuotePolicy(statuses=statuses, advisories=advisories, accepts_simulated=simulated)
