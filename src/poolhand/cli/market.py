"""``poolhand market``: a book of orders that anybody may publish in and read."""

from __future__ import annotations

from poolhand.cli.plain import Noun
from poolhand.cli.programs import Ready, add_program
from poolhand.settings.load import Settings
from poolhand.settings.market import OPTIONS, market_settings

app = Noun(no_args_is_help=True, help="Serve a market of orders.")


@app.callback()
def market() -> None:
    """Keep a book of signed orders, as iExec's own market does."""


async def _serve(settings: Settings, ready: Ready) -> None:
    from poolhand.market.main import serve

    await serve(market_settings(settings), ready)


add_program(
    app,
    "serve",
    OPTIONS,
    _serve,
    """Serve a market, whose book follows the chain, until stopped.

    Example: poolhand market serve --chain arbitrum --database postgresql://market@db/market

    Exit codes: 0 stopped, 2 a setting is wrong, the port is busy or the database is another
    market's, 4 the chain or the database is out of reach.
    """,
)
