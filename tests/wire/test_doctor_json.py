"""The doctor's JSON: scripts that install and start workers read it."""

from __future__ import annotations

from poolhand.domain.doctor.findings import (
    Check,
    CheckOutcome,
    Examination,
    Finding,
    failed,
    in_order,
    of_message,
    passed,
    unknown,
    warned,
)
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc
from poolhand.wire.doctor_json import encode_examination

WALLET = Address(bytes([7] * 20))


def test_all_members_are_told_with_their_amounts():
    short = Finding(
        Check.STAKE, CheckOutcome.FAIL, "no stake", "deposit", missing_nrlc=NanoRlc(5 * 10**9)
    )
    told = encode_examination(Examination((passed(Check.CPUS, "4 CPUs"), short), WALLET), "1.2.3")
    assert told == {
        "ok": False,
        "version": "1.2.3",
        "wallet": str(WALLET),
        "checks": [
            {"check": "cpus", "outcome": "pass", "found": "4 CPUs", "fix": "",
             "missing_wei": None, "missing_nrlc": None},
            {"check": "stake", "outcome": "fail", "found": "no stake", "fix": "deposit",
             "missing_wei": None, "missing_nrlc": 5_000_000_000},
        ],
    }  # fmt: skip


def test_words_of_strangers_leave_as_plain_text():
    told = encode_examination(Examination((failed(Check.POOL, "\x1b[2J", "\u202e"),)), "1")
    assert told["checks"][0]["found"].isprintable()
    assert told["checks"][0]["fix"].isprintable()
    assert told["wallet"] is None


def test_only_what_fails_makes_a_machine_unfit():
    mixed = warned(Check.GPU, "a", "b"), unknown(Check.TEE, "a", "b"), passed(Check.CPUS, "a")
    assert Examination(mixed).is_sound
    assert not Examination((*mixed, failed(Check.NODE, "a", "b"))).is_sound


def test_findings_stand_in_the_order_of_the_checks():
    found = in_order([passed(check, "fine") for check in reversed(Check)])
    assert [each.check for each in found] == list(Check)


def test_a_message_is_parted_into_what_is_so_and_what_to_do():
    found = of_message(Check.WALLET, "wrong password for /k: try again", "ask")
    assert (found.found, found.fix) == ("wrong password for /k", "try again")
    assert found.told == "wrong password for /k: try again"
    bare = of_message(Check.NODE, "http://node is silent", "name another")
    assert (bare.found, bare.fix) == ("http://node is silent", "name another")
