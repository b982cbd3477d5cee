"""The matcher: every condition of ``matchOrders`` has its number, its party and its place."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import APP, DATASET, DOMAIN, POOL, REQUESTER, SCHEDULER, salt, tag, wallet

from many import examples
from poolhand.domain.deal import App, Dataset, Workerpool
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import ZERO_ADDRESS as Z
from poolhand.domain.ids import Address
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.matching import Facts, Match, match_orders
from poolhand.domain.orders.model import (
    NO_DATASET_ORDER,
    AppOrder,
    DatasetOrder,
    MatchOrders,
    RequestOrder,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.orders.reasons import MATCH_REASONS, Reason, Side
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc

OTHER = Address(b"\x0e" * 20)
GROUP = Address(b"\x0f" * 20)
SIGNERS = {"app": 4, "dataset": 5, "workerpool": 6, "request": 1}
OWNERS = {name: wallet(index).address for name, index in SIGNERS.items()}
CODES = [*range(8), *range(0x10, 0x1C), 0x20, 0x21, 0x30, 0x31, 0x40, 0x41, 0x50, 0x60]


def orders(**changed):
    """Return fitting orders, signed, with some members changed: ``app={"price": …}``."""
    plain = {
        "app": AppOrder(APP, NanoRlc(3), 10, tag(1), Z, Z, Z, salt(1)),
        "dataset": DatasetOrder(DATASET, NanoRlc(5), 9, tag(1), Z, Z, Z, salt(2)),
        "workerpool": WorkerpoolOrder(
            POOL, NanoRlc(101), 4, tag(0x101), 2, Trust(5), Z, Z, Z, salt(3)
        ),
        "request": RequestOrder(
            APP, NanoRlc(3), DATASET, NanoRlc(5), POOL, NanoRlc(101), REQUESTER, 6, tag(0x100),
            2, Trust(5), REQUESTER, Z, "", salt(4),
        ),
    }  # fmt: skip
    made = {name: replace(order, **changed.get(name, {})) for name, order in plain.items()}
    return MatchOrders(**{name: sign(order, SIGNERS[name]) for name, order in made.items()})


def sign(order, index):
    return Signed(order, wallet(index).sign_order(DOMAIN, order))


def facts(**changed):
    usual = {
        "domain": DOMAIN,
        "categories": 5,
        "app": App(APP, OWNERS["app"], "", "DOCKER", b"", bytes(32), b""),
        "dataset": Dataset(DATASET, OWNERS["dataset"], "", b"", bytes(32)),
        "workerpool": Workerpool(POOL, SCHEDULER, "", 35, 5),
        "free_stake": {REQUESTER: NanoRlc(109 * 4), SCHEDULER: NanoRlc(30 * 4)},
    }
    return Facts(**usual | changed)


def reasons(found):
    return [] if isinstance(found, Match) else [each.reason for each in found]


def test_fitting_orders_make_a_deal():
    found = match_orders(orders(), facts())
    name = order_hash(DOMAIN, orders().request.order)
    assert found == Match(
        deal_id=deal_id(name, 0),
        price=NanoRlc(109),
        volume=4,
        bot_first=0,
        tag=tag(0x101),
        trust=Trust(5),
        worker_stake=NanoRlc(35),
        payer_locks=NanoRlc(436),
        workerpool_locks=NanoRlc(120),
    )


def test_a_half_used_request_goes_on_where_it_stopped():
    asked = orders()
    consumed = {order_hash(DOMAIN, asked.request.order): 3}
    found = match_orders(asked, facts(consumed=consumed))
    assert (found.bot_first, found.volume) == (3, 3)
    assert found.deal_id == deal_id(order_hash(DOMAIN, asked.request.order), 3)


def test_trust_0_is_stored_as_1():
    assert match_orders(orders(request={"trust": Trust(0)}), facts()).trust == 1


def without_dataset(**request):
    asked = orders(request={"dataset": Z, **request}, app={"tag": tag(0)})
    return replace(asked, dataset=Signed(NO_DATASET_ORDER, b""))


def test_no_dataset_needs_no_signature_no_volume_and_no_price():
    found = match_orders(without_dataset(), facts(dataset=None))
    assert (found.price, found.volume) == (104, 4)


CASES = [
    (Reason.CATEGORY_DIFFERS, {"request": {"category": 1}}, {}),
    (Reason.CATEGORY_UNKNOWN, {}, {"categories": 2}),
    (Reason.TRUST_TOO_HIGH, {"request": {"trust": Trust(6)}}, {}),
    (Reason.APP_TOO_DEAR, {"request": {"app_max_price": NanoRlc(2)}}, {}),
    (Reason.DATASET_TOO_DEAR, {"request": {"dataset_max_price": NanoRlc(4)}}, {}),
    (Reason.WORKERPOOL_TOO_DEAR, {"request": {"workerpool_max_price": NanoRlc(100)}}, {}),
    (Reason.TAG_NOT_OFFERED, {"request": {"tag": tag(0x200)}}, {}),
    (Reason.TAG_NOT_OFFERED, {"app": {"tag": tag(0x9)}}, {}),
    (Reason.TAG_NOT_OFFERED, {"dataset": {"tag": tag(0x3)}}, {}),
    (Reason.APP_NOT_TEE, {"app": {"tag": tag(0)}}, {}),
    (Reason.OTHER_APP, {"request": {"app": OTHER}}, {}),
    (Reason.OTHER_DATASET, {"request": {"dataset": OTHER}}, {}),
    (Reason.REQUEST_RESTRICTS_WORKERPOOL, {"request": {"workerpool": OTHER}}, {}),
    (Reason.APP_RESTRICTS_DATASET, {"app": {"dataset_restrict": OTHER}}, {}),
    (Reason.APP_RESTRICTS_WORKERPOOL, {"app": {"workerpool_restrict": OTHER}}, {}),
    (Reason.APP_RESTRICTS_REQUESTER, {"app": {"requester_restrict": OTHER}}, {}),
    (Reason.DATASET_RESTRICTS_APP, {"dataset": {"app_restrict": OTHER}}, {}),
    (Reason.DATASET_RESTRICTS_WORKERPOOL, {"dataset": {"workerpool_restrict": OTHER}}, {}),
    (Reason.DATASET_RESTRICTS_REQUESTER, {"dataset": {"requester_restrict": OTHER}}, {}),
    (Reason.WORKERPOOL_RESTRICTS_APP, {"workerpool": {"app_restrict": OTHER}}, {}),
    (Reason.WORKERPOOL_RESTRICTS_DATASET, {"workerpool": {"dataset_restrict": OTHER}}, {}),
    (Reason.WORKERPOOL_RESTRICTS_REQUESTER, {"workerpool": {"requester_restrict": OTHER}}, {}),
    (Reason.APP_UNREGISTERED, {}, {"app": None}),
    (Reason.DATASET_UNREGISTERED, {}, {"dataset": None}),
    (Reason.WORKERPOOL_UNREGISTERED, {}, {"workerpool": None}),
    (Reason.USED_UP, {"app": {"volume": 0}}, {}),
    (Reason.USED_UP, {"dataset": {"volume": 0}}, {}),
    (Reason.USED_UP, {"workerpool": {"volume": 0}}, {}),
    (Reason.USED_UP, {"request": {"volume": 0}}, {}),
    (Reason.PAYER_STAKE_TOO_LOW, {}, {"free_stake": {SCHEDULER: NanoRlc(120)}}),
    (
        Reason.WORKERPOOL_STAKE_TOO_LOW,
        {},
        {"free_stake": {REQUESTER: NanoRlc(436), SCHEDULER: NanoRlc(119)}},
    ),
]


@pytest.mark.parametrize(("reason", "changed", "known"), CASES)
def test_each_condition_is_told_alone(reason, changed, known):
    assert reasons(match_orders(orders(**changed), facts(**known))) == [reason]


@pytest.mark.parametrize("name", SIGNERS)
def test_each_order_is_signed_by_its_owner(name):
    wrong = sign(getattr(orders(), name).order, 9)
    reason = Reason[name.upper() + "_SIGNATURE"]
    assert reasons(match_orders(replace(orders(), **{name: wrong}), facts())) == [reason]


@pytest.mark.parametrize("name", SIGNERS)
def test_an_unsigned_order_is_told_as_the_contract_does(name):
    bare = replace(getattr(orders(), name), signature=b"")
    asked = replace(orders(), **{name: bare})
    assert reasons(match_orders(asked, facts())) == [Reason.UNSIGNED]
    presigned = {order_hash(DOMAIN, bare.order): True}
    assert reasons(match_orders(asked, facts(vouched=presigned))) == []


def test_a_contract_that_owns_an_asset_has_the_last_word():
    asked = orders()
    refused = {order_hash(DOMAIN, asked.app.order): False}
    assert reasons(match_orders(asked, facts(vouched=refused))) == [Reason.APP_SIGNATURE]


def test_a_compact_signature_counts():
    signed = orders().app
    second = int.from_bytes(signed.signature[32:64], "big") | (signed.signature[64] - 27) << 255
    compact = signed.signature[:32] + second.to_bytes(32, "big")
    asked = replace(orders(), app=replace(signed, signature=compact))
    assert isinstance(match_orders(asked, facts()), Match)


def test_a_group_lets_its_members_in():
    changed = {
        "app": {"requester_restrict": GROUP},
        "dataset": {"app_restrict": GROUP},
        "workerpool": {"dataset_restrict": GROUP},
        "request": {"workerpool": GROUP},
    }
    members = {REQUESTER, APP, DATASET, POOL}
    inside = facts(is_member=lambda group, account: group == GROUP and account in members)
    assert reasons(match_orders(orders(**changed), inside)) == []
    assert reasons(match_orders(orders(**changed), facts())) == [
        Reason.REQUEST_RESTRICTS_WORKERPOOL,
        Reason.APP_RESTRICTS_REQUESTER,
        Reason.DATASET_RESTRICTS_APP,
        Reason.WORKERPOOL_RESTRICTS_DATASET,
    ]


def test_who_is_a_member_of_a_group_is_not_known_where_none_is_asked_and_that_is_said():
    asked = orders(app={"requester_restrict": GROUP}, request={"workerpool": GROUP})
    told = [each.sentence for each in match_orders(asked, facts())]
    assert len(told) == 2
    assert all("groups are not asked here" in each for each in told)
    told = match_orders(asked, facts(is_member=lambda _group, _account: False))
    assert not any("not asked" in each.sentence for each in told)


def test_an_owner_that_is_a_contract_is_not_known_where_none_is_asked_and_that_is_said():
    for signature, reason in ((bytes(130), Reason.UNSIGNED), (bytes(65), Reason.APP_SIGNATURE)):
        asked = replace(orders(), app=replace(orders().app, signature=signature))
        (told,) = match_orders(asked, facts())
        assert told.reason is reason
        assert "a contract (ERC-1271) is not asked here" in told.sentence


def test_an_app_for_one_dataset_runs_with_no_other_and_not_without():
    asked = orders(app={"dataset_restrict": DATASET, "tag": tag(0)}, request={"dataset": Z})
    bare = replace(asked, dataset=Signed(NO_DATASET_ORDER, b""))
    assert reasons(match_orders(bare, facts())) == [Reason.APP_RESTRICTS_DATASET]


def test_newer_hubs_ignore_the_frameworks_of_a_dataset():
    asked = orders(dataset={"tag": tag(0b1111)})
    assert reasons(match_orders(asked, facts())) == [Reason.TAG_NOT_OFFERED]
    assert match_orders(asked, facts(masks_dataset_tag=True)).tag == tag(0x101)


def test_the_sponsor_pays_instead_of_the_requester():
    rich = {OTHER: NanoRlc(436), SCHEDULER: NanoRlc(120)}
    assert reasons(match_orders(orders(), facts(free_stake=rich, sponsor=OTHER))) == []
    found = match_orders(orders(), facts(free_stake=rich))
    assert reasons(found) == [Reason.PAYER_STAKE_TOO_LOW]
    assert str(REQUESTER) in found[0].sentence


def test_who_pays_and_owns_the_pool_locks_both_from_one_account():
    enough = facts(sponsor=SCHEDULER, free_stake={SCHEDULER: NanoRlc(556)})
    assert reasons(match_orders(orders(), enough)) == []
    one_short = facts(sponsor=SCHEDULER, free_stake={SCHEDULER: NanoRlc(555)})
    assert reasons(match_orders(orders(), one_short)) == [Reason.WORKERPOOL_STAKE_TOO_LOW]


def test_a_cancelled_order_is_used_up_and_named():
    asked = orders()
    consumed = {order_hash(DOMAIN, asked.dataset.order): 9}
    (found,) = match_orders(asked, facts(consumed=consumed))
    assert found.reason is Reason.USED_UP
    assert "dataset order" in found.sentence


@settings(max_examples=examples(40))
@given(chosen=st.sets(st.sampled_from(range(len(CASES))), max_size=8))
def test_all_reasons_are_told_in_the_contracts_order(chosen):
    changed, known = {}, {}
    for number in chosen:
        _, terms, world = CASES[number]
        for name, members in terms.items():
            changed[name] = members | changed.get(name, {})
        known = world | known
    told = reasons(match_orders(orders(**changed), facts(**known)))
    assert told == sorted(told)
    assert bool(told) == bool(chosen)
    independent = {CASES[number][0] for number in chosen}
    assert {r for r in independent if Reason.OTHER_APP <= r < Reason.USED_UP} <= set(told)


def test_numbers_are_the_contracts():
    assert [reason.code for reason in Reason if reason.code is not None] == CODES
    assert list(MATCH_REASONS) == CODES
    assert Reason.CATEGORY_DIFFERS.code == 0


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_who_must_act(reason):
    assert reason.side in Side
    assert f": {reason.side} must " in reason.sentence
    assert reason.told("x").startswith(reason.sentence.split(":")[0] + " (x): ")
