"""The cheapest offer that fits is found, and where none does each order is told why."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.orders.choosing import (
    WITHOUT_DATASET,
    Candidate,
    Shelf,
    Want,
    broken,
    fitting,
    rejected,
    shared_tag,
)
from poolhand.domain.orders.matching import Facts, deal_tag, terms_unmet
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    MatchOrders,
    RequestOrder,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc

APP, DATA, OTHER = (Address(bytes([n] * 20)) for n in (1, 2, 9))
POOLS = [Address(bytes([n] * 20)) for n in (3, 4)]
BUYER = Address(bytes([5] * 20))
FACTS = Facts(order_domain(1, OTHER), 3, None, None, None)
limits = st.sampled_from([ZERO_ADDRESS] * 30 + [APP, DATA, BUYER, OTHER, *POOLS])
"""Most orders restrict nobody: else hardly any would fit."""
prices = st.integers(0, 5).map(NanoRlc)
tags = st.sampled_from([NO_TAG] * 8 + [Tag.of(["gpu"]), Tag.of(["tee"])])
salts = st.integers(0, 2**64).map(lambda n: Salt(n.to_bytes(32, "big")))


def candidates(orders):
    made = st.builds(
        lambda order, left: Candidate(Signed(order, b""), left),
        orders,
        st.sampled_from([0, 2, 3, 3, 3, 3]),
    )
    return st.lists(made, max_size=4).map(tuple)


apps = candidates(
    st.builds(AppOrder, st.just(APP), prices, st.just(3), tags, limits, limits, limits, salts)
)
datasets = candidates(
    st.builds(DatasetOrder, st.just(DATA), prices, st.just(3), tags, limits, limits, limits, salts)
)
pools = candidates(
    st.builds(
        WorkerpoolOrder,
        st.sampled_from(POOLS),
        prices,
        st.just(3),
        tags,
        st.sampled_from([0, 0, 0, 0, 1]),
        st.sampled_from([0, 1, 3, 3, 3]).map(Trust),
        limits,
        limits,
        limits,
        salts,
    )
)


@st.composite
def cases(draw):
    with_data = draw(st.booleans())
    request = RequestOrder(
        APP,
        NanoRlc(0),
        DATA if with_data else ZERO_ADDRESS,
        NanoRlc(0),
        draw(st.sampled_from([ZERO_ADDRESS, POOLS[0]])),
        NanoRlc(0),
        BUYER,
        draw(st.integers(1, 3)),
        NO_TAG,
        draw(st.sampled_from([0, 0, 0, 0, 1])),
        Trust(draw(st.integers(0, 2))),
        BUYER,
        ZERO_ADDRESS,
        "{}",
        Salt(bytes(32)),
    )
    shelf = Shelf(draw(apps), draw(datasets) if with_data else (WITHOUT_DATASET,), draw(pools))
    return Want(request, request.volume, draw(st.none() | prices)), shelf


def fits(want, app, data, pool):
    """What the contract and the buyer ask, without the module under test."""
    price = app.price + data.price + pool.price
    request = replace(
        want.request,
        app_max_price=app.price,
        dataset_max_price=data.price,
        workerpool_max_price=pool.price,
    )
    call = MatchOrders(app.signed, data.signed, pool.signed, Signed(request, b""))
    return (
        not any(terms_unmet(call, FACTS))
        and min(app.left, data.left, pool.left) >= request.volume
        and (want.most is None or price <= want.most)
    )


@given(cases())
def test_what_fits_comes_cheapest_first_and_nothing_else_does(case):
    want, shelf = case
    expected = sorted(
        app.price + data.price + pool.price
        for app in shelf.apps
        for data in shelf.datasets
        for pool in shelf.pools
        if fits(want, app, data, pool)
    )
    assert [offer.price for offer in fitting(want, shelf, FACTS)] == expected


@given(st.permutations(range(5)))
def test_of_offers_that_all_fit_the_cheapest_comes_first_wherever_it_lies(asked):
    open_to_all = ZERO_ADDRESS, ZERO_ADDRESS, ZERO_ADDRESS, Salt(bytes(32))
    app = AppOrder(APP, NanoRlc(1), 3, NO_TAG, *open_to_all)
    pools = [
        WorkerpoolOrder(POOLS[0], NanoRlc(n), 3, NO_TAG, 0, Trust(3), *open_to_all) for n in asked
    ]
    shelf = Shelf(
        (Candidate(Signed(app, b""), 3),),
        (WITHOUT_DATASET,),
        tuple(Candidate(Signed(each, b""), 3) for each in pools),
    )
    free, none = NanoRlc(0), ZERO_ADDRESS
    request = RequestOrder(
        APP, free, none, free, none, free, BUYER, 3, NO_TAG, 0, Trust(1), BUYER, none, "{}",
        Salt(bytes(32)),
    )  # fmt: skip
    found = [offer.price for offer in fitting(Want(request, 3), shelf, FACTS)]
    assert found == [1, 2, 3, 4, 5]


@given(cases())
def test_an_order_is_rejected_if_and_only_if_it_is_in_no_offer_that_fits(case):
    want, shelf = case
    good = [part for o in fitting(want, shelf, FACTS) for part in (o.app, o.dataset, o.pool)]
    if not shelf.combinations():
        assert rejected(want, shelf, FACTS) == ()
        return
    known = {*shelf.apps, *shelf.datasets, *shelf.pools} - {WITHOUT_DATASET}
    found = rejected(want, shelf, FACTS)
    assert {each.candidate for each in found} == known - set(good)
    assert all(each.why for each in found)


@given(cases())
def test_the_rules_that_are_told_are_those_that_are_broken(case):
    want, shelf = case
    for offer in shelf.combinations():
        told = tuple(broken(want, offer, FACTS))
        assert (not told) == fits(want, offer.app, offer.dataset, offer.pool)


@given(cases(), tags, st.booleans())
def test_every_deal_has_the_tag_that_its_orders_share(case, wished, masked):
    """And where there is one order of a kind, nothing less: a dataset's frameworks aside."""
    want, shelf = case
    request = replace(want.request, tag=wished)
    shared = shared_tag(wished, shelf.apps, shelf.datasets)
    made = [
        deal_tag(each.orders(Signed(request, b"")), masks_dataset_tag=masked)
        for each in shelf.combinations()
    ]
    assert all(tag.covers(shared) for tag in made)
    if made and len(shelf.apps) == len(shelf.datasets) == 1:
        assert {tag.without_frameworks() for tag in made} == {shared.without_frameworks()}


def test_the_cheaper_of_two_pools_comes_first_and_one_with_too_few_tasks_not_at_all():
    z = ZERO_ADDRESS
    app = AppOrder(APP, NanoRlc(1), 9, NO_TAG, z, z, z, Salt(bytes(32)))
    pools = tuple(
        Candidate(
            Signed(
                WorkerpoolOrder(POOLS[0], NanoRlc(price), 9, NO_TAG, 0, Trust(1), z, z, z, salt),
                b"",
            ),
            left,
        )
        for price, left, salt in (
            (3, 2, Salt(b"\x01" * 32)),
            (2, 2, Salt(b"\x02" * 32)),
            (1, 1, Salt(b"\x03" * 32)),
        )
    )
    request = RequestOrder(
        APP, NanoRlc(0), z, NanoRlc(0), z, NanoRlc(0), BUYER, 2, NO_TAG, 0, Trust(1), BUYER, z,
        "{}", Salt(bytes(32)),
    )  # fmt: skip
    shelf = Shelf((Candidate(Signed(app, b""), 9),), (WITHOUT_DATASET,), pools)
    found = list(fitting(Want(request, 2), shelf, FACTS))
    assert [bundle.price for bundle in found] == [3, 4]
    (unfit,) = rejected(Want(request, 2), shelf, FACTS)
    assert unfit.candidate == pools[2]
    assert "has 1 tasks left of the 2 wanted" in unfit.why[0]
    signed = Want(request, 2, is_signed=True)
    assert list(fitting(signed, shelf, FACTS)) == []
