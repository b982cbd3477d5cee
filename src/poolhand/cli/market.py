"""``poolhand market``: a book of orders that anybody may publish in and read."""

from __future__ import annotations

from typing import Annotated

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.lists import PageOption
from poolhand.cli.plain import Noun
from poolhand.cli.programs import Ready, add_program
from poolhand.cli.verb import Answer, verb
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.domain.market.filters import LEAST_PAGE_SIZE, MOST_PAGE_SIZE, BookFilter
from poolhand.domain.units import NanoRlc
from poolhand.settings.load import Settings
from poolhand.settings.market import MARKET_OPTIONS, market_settings
from poolhand.settings.matcher import MATCHER_OPTIONS, matcher_settings


class NotTraded(Refused):
    """A market has no list of that."""


app = Noun(no_args_is_help=True, help="Look into a market of orders, or serve one.")

BookKindArgument = Annotated[
    str, typer.Argument(metavar="KIND", help="app, dataset, pool or request.")
]
OfOption = Annotated[
    str, typer.Option("--of", metavar="ADDRESS", help="Of one app, dataset, pool or requester.")
]
BookCategoryOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Of this category of running time alone.")
]
BookLimitOption = Annotated[
    int, typer.Option(min=LEAST_PAGE_SIZE, max=MOST_PAGE_SIZE, metavar="N", help="How many a page.")
]
BuyerOption = Annotated[str, typer.Option("--requester", metavar="ADDRESS", help="Who bought.")]
SellerOption = Annotated[str, typer.Option("--pool", metavar="ADDRESS", help="Which workerpool.")]


@app.callback()
def market() -> None:
    """Keep a book of signed orders, as iExec's own market does."""


@verb(app, "orders", example="poolhand market orders pool --category 0")
async def orders(
    command: CommandRun,
    kind: BookKindArgument,
    of: OfOption = "",
    category: BookCategoryOption = None,
    limit: BookLimitOption = 20,
    page: PageOption = 1,
) -> Answer:
    """List what is for sale, best price first; of apps and datasets name which one."""
    from poolhand.cli.orders_page import ORDER_KINDS, orders_answer

    if kind not in ORDER_KINDS:
        raise NotTraded(f"'{kind}' is no kind of order: write {', '.join(ORDER_KINDS)}")
    sort = ORDER_KINDS[kind]
    if not of and kind in ("app", "dataset"):
        raise NotTraded(f"a market lists orders of one {kind} at a time: name it with --of")
    parties = {sort.value if kind != "request" else "requester": (Address.parse(of),)} if of else {}
    wanted = BookFilter(sort, parties, category=category)
    async with command.requester() as requester:
        found = await requester.market.orders(wanted, page - 1, limit)
    return orders_answer(found.orders, found.count)


@verb(app, "deals", example="poolhand market deals")
async def deals(
    command: CommandRun,
    requester: BuyerOption = "",
    pool: SellerOption = "",
    category: BookCategoryOption = None,
    limit: BookLimitOption = 20,
    page: PageOption = 1,
) -> Answer:
    """List what was sold, newest first."""
    from poolhand.cli.render import grid, rlc

    named = {"requester": requester, "workerpool": pool}
    wanted = {name: str(Address.parse(text)) for name, text in named.items() if text}
    if category is not None:
        wanted["category"] = str(category)
    async with command.requester() as opened:
        found = await opened.market.deals(wanted, page - 1, limit)
    some = found.deals
    rows = [(each.moment, rlc(NanoRlc(each.price)), each.volume, each.deal_id) for each in some]
    members = {"deals": [each.model_dump(mode="json") for each in some], "count": found.count}
    columns = ("when", "price of a task", "tasks", "deal")
    return Answer(members, lambda: grid(columns, rows, f"{found.count} deal(s)"))


@verb(app, "pools", example="poolhand market pools")
async def pools(command: CommandRun, limit: BookLimitOption = 20, page: PageOption = 1) -> Answer:
    """List the workerpools that are registered, those that answered last first."""
    from poolhand.cli.orders_page import pools_answer

    async with command.requester() as requester:
        return pools_answer(await requester.market.pools(page - 1, limit))


async def _serve(settings: Settings, ready: Ready) -> None:
    from poolhand.market.main import serve

    await serve(market_settings(settings), ready)


add_program(
    app,
    "serve",
    MARKET_OPTIONS,
    _serve,
    """Serve a market, whose book follows the chain, until stopped.

    Example: poolhand market serve --chain arbitrum \\
    --database postgresql://market@db/market

    Exit codes: 0 stopped, 2 a setting is wrong, the port is busy or the database is another
    market's, 4 the chain or the database is out of reach.
    """,
)


async def _match(settings: Settings, ready: Ready) -> None:
    from poolhand.market.main import match

    await match(matcher_settings(settings), ready)


add_program(
    app,
    "match",
    MATCHER_OPTIONS,
    _match,
    """Match the requests of a market with the cheapest orders that fit, and pay the gas.

    Anybody may run one. Requests are published with `poolhand order request` and `order publish`;
    who asks needs RLC on its account and no coin.

    Example: poolhand market match --chain arbitrum \\
    --market https://market.example --wallet ~/matcher.json

    Exit codes: 0 stopped, 2 a setting is wrong or the wallet is in use, 4 the chain is out of
    reach.
    """,
)
