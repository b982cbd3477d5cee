"""``poolhand results``: keep what workers compute."""

from __future__ import annotations

from poolhand.cli.plain import Noun
from poolhand.cli.programs import Ready, add_program
from poolhand.settings.load import Settings
from poolhand.settings.results import RESULTS_OPTIONS, results_settings

app = Noun(no_args_is_help=True, help="Serve results.")


@app.callback()
def results() -> None:
    """Keep what workers compute, for whom it was computed."""


async def _serve(settings: Settings, ready: Ready) -> None:
    from poolhand.results.main import serve

    await serve(results_settings(settings), ready)


add_program(
    app,
    "serve",
    RESULTS_OPTIONS,
    _serve,
    """Take results from authorized workers and hand them out, until stopped.

    Example: poolhand results serve --chain arbitrum --folder /srv/results

    Exit codes: 0 stopped, 2 a setting is wrong or the port is busy, 4 the chain is out of reach.
    """,
)
