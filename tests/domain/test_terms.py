"""Tags, categories with their deadlines, and the tasks of a deal (sections 13, 17 and 18)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import APP, DATASET, DEAL_ID, POOL, REQUESTER, SCHEDULER, TASK_ID, tag

from poolhand.domain.category import REVEAL_RATIO, Category
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.tag import NO_TAG, Tag, UnknownTag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds

BITS = st.integers(0, 2**256 - 1)


@pytest.mark.parametrize(
    ("names", "bits"),
    [
        ([], 0),
        (["tee"], 0x1),
        (["tee", "scone"], 0x3),
        (["gramine", "tee"], 0x5),
        (["tee", "tdx"], 0x9),
        (["gpu"], 0x100),
    ],
)
def test_tags_have_the_sdks_names(names, bits):
    made = Tag.of(names)
    assert made.bits == bits
    assert set(made.names) == set(names)
    assert str(made) == "0x" + f"{bits:064x}"
    assert (made.needs_tee, made.needs_gpu) == ("tee" in names, "gpu" in names)


def test_an_unknown_tag_is_refused_with_the_known_ones():
    with pytest.raises(UnknownTag, match=r"'sgx' is not a tag: use tee, scone, gramine, tdx, gpu"):
        Tag.of(["tee", "sgx"])


@given(BITS, BITS)
def test_a_tag_covers_what_it_includes(offered, demanded):
    assert tag(offered).covers(tag(demanded)) == (offered | demanded == offered)
    union = tag(offered).union(tag(demanded), NO_TAG)
    assert union.bits == offered | demanded
    assert union.covers(tag(offered))
    assert union.covers(tag(demanded))


@given(BITS)
def test_frameworks_are_the_bits_1_to_3(bits):
    assert tag(bits).without_frameworks().bits == bits - (bits & 0b1110)


@pytest.mark.parametrize(
    ("time_ref", "contribution", "reveal", "final"),
    [
        (300, 2_100, 600, 3_000),
        (1_200, 8_400, 2_400, 12_000),
        (3_600, 25_200, 7_200, 36_000),
        (10_800, 75_600, 21_600, 108_000),
        (36_000, 252_000, 72_000, 360_000),
    ],
)
def test_deadlines_follow_the_categorys_time(time_ref, contribution, reveal, final):
    category = Category(0, "XS", Seconds(time_ref))
    start = UnixSeconds(1_700_000_000)
    assert category.contribution_deadline(start) == start + contribution
    assert REVEAL_RATIO * category.time_ref == reveal
    assert category.final_deadline(start) == start + final


def deal(bot_first, bot_size, *, dataset=DATASET, callback=ZERO_ADDRESS):
    return Deal(
        DEAL_ID, Resource(APP, REQUESTER, NanoRlc(3)), Resource(dataset, REQUESTER, NanoRlc(5)),
        Resource(POOL, SCHEDULER, NanoRlc(100)), Trust(1), 0, NO_TAG, REQUESTER, REQUESTER,
        callback, "", UnixSeconds(0), bot_first, bot_size, NanoRlc(30), 1, REQUESTER,
    )  # fmt: skip


def test_tasks_of_a_deal_have_absolute_indices():
    tasks = dict(deal(1, 3).tasks())
    assert list(tasks) == [1, 2, 3]
    assert tasks[1] == TASK_ID
    assert len(set(tasks.values())) == 3


def test_a_deal_knows_its_price_and_parts():
    assert deal(0, 1).price == 108
    assert deal(0, 1).has_dataset
    assert not deal(0, 1, dataset=ZERO_ADDRESS).has_dataset
    assert deal(0, 1, callback=APP).has_callback
    assert not deal(0, 1).has_callback


@pytest.mark.parametrize(
    ("time_ref", "least", "most", "expected"),
    [
        (300, 300, 1800, 27 * 60),
        (1200, 300, 1800, 1800),
        (36_000, 300, 7200, 48 * 60),
        (1, 300, 1800, 300),
        (300, 900, 60, 60),
    ],
)
def test_an_image_may_take_as_long_as_iexecs_worker_allows(time_ref, least, most, expected):
    category = Category(0, "XS", Seconds(time_ref))
    assert category.pull_timeout(Seconds(least), Seconds(most)) == expected
