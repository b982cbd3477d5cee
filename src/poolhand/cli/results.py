"""``poolhand results``: keep what workers compute, and open what was encrypted to you."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.plain import Noun
from poolhand.cli.programs import Ready, add_program
from poolhand.cli.render import pairs
from poolhand.cli.verb import Answer, verb
from poolhand.settings.load import Settings
from poolhand.settings.results import RESULTS_OPTIONS, results_settings

app = Noun(no_args_is_help=True, help="Serve results, and open encrypted ones.")


@app.callback()
def results() -> None:
    """Keep what workers compute, for whom it was computed."""


DEFAULT_RESULT_KEY = Path("~/.poolhand/result-key.pem")
KeyOption = Annotated[
    Path, typer.Option("--key", metavar="FILE", help="The private key; beside it, .pub.")
]
ChangeFlag = Annotated[bool, typer.Option("--change", help="In place of the key that is there.")]
OpenedOption = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Where to. [<archive>.decrypted.zip]")
]
EncryptedArgument = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="As downloaded.")]


@verb(app, "keypair", example="poolhand results keypair", local=True)
def keypair(command: CommandRun, key: KeyOption = DEFAULT_RESULT_KEY) -> Answer:
    """Make a pair of keys for encrypted results: the private one stays here, keep a copy of it."""
    from poolhand.cli.result_keys import new_keypair

    del command
    private, public = new_keypair(key)
    members = {"private_key": str(private), "public_key": str(public)}
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "push-key", example="poolhand results push-key --results-url https://results.example")
async def push_key(
    command: CommandRun, key: KeyOption = DEFAULT_RESULT_KEY, change: ChangeFlag = False
) -> Answer:
    """Hand in the public key, signed by your wallet, where workers of a pool find it."""
    from poolhand.cli.result_keys import push

    url, owner = await push(command, key, change=change)
    members = {"owner": str(owner), "results_url": url}
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "decrypt", example="poolhand results decrypt results/task.zip", local=True)
def decrypt(
    command: CommandRun,
    archive: EncryptedArgument,
    key: KeyOption = DEFAULT_RESULT_KEY,
    to: OpenedOption = None,
) -> Answer:
    """Open an encrypted result and check it against the digest that the download compared."""
    from poolhand.cli.result_keys import opened

    del command
    target, digest = opened(archive, key, to)
    members = {"result_path": str(target.resolve()), "result_digest": digest and str(digest)}
    return Answer(members, lambda: pairs(members.items()))


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
