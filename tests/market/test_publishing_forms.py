"""How orders are read: members, texts, numbers and sizes of another form are refused by name."""

from __future__ import annotations

import pytest
from market_world import (
    APP,
    CHAIN,
    DOMAIN,
    MAKERS,
    PATHS,
    SELLER,
    app_order,
    refused,
    request_order,
)

from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc
from poolhand.wire.market_orders import market_order


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"volume": 0}, "order.volume must be greater than or equal to 1"),
        ({"volume": -1}, "order.volume must be greater than or equal to 1"),
        ({"appprice": -1}, "order.appprice must be greater than or equal to 0"),
        ({"appprice": 2**53}, "order.appprice must be less than or equal to 9007199254740991"),
        ({"volume": "9" * 70}, "order.volume must be less than or equal to 9007199254740991"),
        ({"volume": 1.5}, "order.volume must be an integer"),
        ({"volume": None}, "order.volume is a required field"),
        ({"volume": "abc"},
         'order.volume must be a `number` type, but the final value was: `NaN` (cast from the value `"abc"`).'),
        ({"app": "0x12"}, "order.app is not a valid ethereum address"),
        ({"app": {"a": 1}}, "order.app is not a valid ethereum address"),
        ({"tag": "0x1"}, "order.tag must be a bytes32 hexstring"),
        ({"salt": 7}, "order.salt must be a bytes32 hexstring"),
        ({"sign": "1234"}, "order.sign must be a valid signature"),
        ({"sign": "0x" + "00" * 4097}, "order.sign must be a valid signature"),
    ],
)  # fmt: skip
async def test_a_member_of_another_form_is_named_by_its_path(market, changes, text):
    order = app_order()
    refused(await market.send(order, **changes), 400, text)
    assert await market.status(order) is None


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\x1b", "U+001B"),
        ("\x00", "U+0000"),
        ("\r", "U+000D"),
        ("\x9b", "U+009B"),
        ("\u202e", "U+202E"),
        ("\u200b", "U+200B"),
        ("\u2028", "U+2028"),
        ("\U000e0041", "U+E0041"),
    ],
)
async def test_text_that_commands_or_hides_is_refused(market, character, name):
    await market.published(app_order())
    request = request_order(params=f"{{}}{character}")
    answer = await market.send(request)
    assert answer.status_code == 400
    text = f"order.params holds the character {name}, which commands a terminal or cannot be seen: remove it"
    assert answer.json() == {"ok": False, "error": text}
    assert await market.status(request) is None


async def test_lines_markup_and_emoji_are_kept_as_they_were_signed(market):
    await market.published(app_order())
    markup = request_order(params='{"iexec_args":"<script>\u2764\ufe0f</script>\n\t\'&"}')
    assert (await market.published(markup))["order"]["params"] == markup.params


async def test_parameters_have_a_length(market):
    await market.published(app_order())
    answer = await market.send(request_order(), params="é" * 40_000)
    refused(answer, 400, "order.params must be at most 65536 characters")


async def test_numbers_that_are_none_are_refused_wherever_they_stand(market):
    """Unsafe, negative, of huge length, with an exponent, not finite: nothing of it gets in."""
    unsafe = (
        "9007199254740992",
        2**53,
        2**256,
        -1,
        "-1",
        "1e9",
        1e300,
        "0x10",
        "1" * 200,
        True,
        [],
    )
    for sort, make in MAKERS.items():
        order = make()
        for member in ("volume", f"{sort.value}{'price' if sort is not OrderSort.REQUEST else ''}"):
            if member not in market_order(sort, order, b""):
                continue
            for value in unsafe:
                answer = await market.send(order, **{member: value})
                assert answer.status_code == 400, (member, value)
                assert f"order.{member} must be" in answer.json()["error"]
        assert await market.status(order) is None


@pytest.mark.parametrize("kind", ["headers", "query"])
async def test_floods_of_headers_and_parameters_change_nothing(market, kind):
    many = {f"x-{n}": "v" * 50 for n in range(500)}
    if kind == "headers":
        answer = await market.http.get("/apporders", params={**CHAIN, "app": "any"}, headers=many)
    else:
        answer = await market.get("/apporders", app="any", **many)
    assert answer.status_code in (200, 400, 431)
    assert answer.json()["ok"] is (answer.status_code == 200)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"[" * 10_000, b'{"order":"\\ud800"}', b"\xff", b"NaN"]
)
async def test_a_body_that_is_no_object_is_refused(market, body):
    headers = {"authorization": await market.header(SELLER)}
    answer = await market.http.post(
        PATHS[OrderSort.APP], params=CHAIN, content=body, headers=headers
    )
    assert answer.status_code == 400
    assert answer.json()["ok"] is False


async def test_a_body_over_the_limit_is_refused_announced_or_not(market):
    async def stream():
        for _ in range(40):
            yield b" " * 10_000

    for content in (b" " * 300_000, stream()):
        headers = {"authorization": await market.header(SELLER)}
        answer = await market.http.post(
            PATHS[OrderSort.APP], params=CHAIN, content=content, headers=headers
        )
        assert answer.status_code == 413
        assert set(answer.json()) == {"ok", "error"}


async def test_input_is_read_leniently_and_what_no_order_has_is_not_kept(market):
    order = app_order(price=NanoRlc(5), volume=7)
    answer = await market.send(
        order,
        app=str(APP).lower(),
        appprice="5",
        volume="7",
        tag=str(order.tag).upper().replace("X", "x"),
        more=1,
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()["published"]["order"]
    assert told == market_order(OrderSort.APP, order, SELLER.sign_order(DOMAIN, order))
