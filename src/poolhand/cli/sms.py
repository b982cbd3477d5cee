"""``poolhand sms``: keep secrets for those who compute with them, and put the keeping in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.plain import Noun
from poolhand.cli.programs import Ready, add_program
from poolhand.cli.render import grid, pairs
from poolhand.cli.sms_keeping import KeepingFlags, key_in, secrets_address
from poolhand.cli.verb import Answer, verb
from poolhand.settings.load import Settings
from poolhand.settings.sms import SMS_OPTIONS, sms_settings

app = Noun(no_args_is_help=True, help="Keep secrets, and release them to proven enclaves.")

SmsFolderOption = Annotated[
    str, typer.Option("--folder", metavar="FOLDER", help="The secrets. [$POOLHAND_SMS_FOLDER]")
]
SmsDatabaseOption = Annotated[
    str, typer.Option("--database", metavar="URL", help="Or these. [$POOLHAND_SMS_DATABASE]")
]
MasterKeyFileOption = Annotated[
    str,
    typer.Option(
        "--master-key-file",
        metavar="FILE",
        help="Opens them. [$POOLHAND_SMS_MASTER_KEY_FILE, else $POOLHAND_SMS_MASTER_KEY or "
        "$POOLHAND_SMS_MASTER_KEY_COMMAND]",
    ),
]
NewMasterKeyOption = Annotated[
    str,
    typer.Option(
        "--new-master-key-file", metavar="FILE", help="The master key from now on. [the same]"
    ),
]
KeyFileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Where to; not beside it.")]
BackupArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
OldKeysArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="result-keys, in the folder of results.")
]
FrameworkOption = Annotated[str, typer.Option("--framework", metavar="NAME", help="Whose store.")]
AuditLimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")]


@app.callback()
def sms() -> None:
    """Keep secrets of datasets, apps and accounts, encrypted under a key that lies elsewhere."""


@verb(app, "new-key", example="poolhand sms new-key /etc/poolhand/sms-master.key", local=True)
def new_master_key(command: CommandRun, file: KeyFileArgument) -> Answer:
    """Make a master key; keep a copy of it: nothing else opens the secrets, nor their backups."""
    from poolhand.settings.home import at_home
    from poolhand.sms.keeping import make_master_key

    del command
    members = {"file": str(file), "name": make_master_key(at_home(file))}
    return Answer(members, lambda: pairs(members.items()))


@verb(
    app,
    "rotate-key",
    example="poolhand sms rotate-key --new-master-key-file /etc/poolhand/sms-master-2.key",
    local=True,
)
def rotate_key(
    command: CommandRun,
    folder: SmsFolderOption = "",
    database: SmsDatabaseOption = "",
    master_key_file: MasterKeyFileOption = "",
    new_master_key_file: NewMasterKeyOption = "",
) -> Answer:
    """Seal every secret anew while the service runs; after an interruption, say it again."""
    from poolhand.sms.keeping import rotate_keys

    del command
    address = secrets_address(KeepingFlags(folder, database, master_key_file))
    found = rotate_keys(address, key_in(new_master_key_file))
    members = {
        "resealed": found.resealed,
        "keys_dropped": found.dropped,
        "master": found.master,
        "resumed": found.resumed,
    }
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "backup", example="poolhand sms backup /backups/sms-monday.bak", local=True)
def backup(
    command: CommandRun,
    file: BackupArgument,
    folder: SmsFolderOption = "",
    database: SmsDatabaseOption = "",
    master_key_file: MasterKeyFileOption = "",
) -> Answer:
    """Write an encrypted copy while the service runs; only the master key opens it."""
    from poolhand.sms.keeping import take_backup

    del command
    address = secrets_address(KeepingFlags(folder, database, master_key_file))
    members = {"file": str(file), "secrets": take_backup(file, address)}
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "restore", example="poolhand sms restore /backups/sms-monday.bak", local=True)
def restore_backup(
    command: CommandRun,
    file: BackupArgument,
    folder: SmsFolderOption = "",
    database: SmsDatabaseOption = "",
    master_key_file: MasterKeyFileOption = "",
) -> Answer:
    """Bring a backup into an empty database; under a wrong key, or where there are secrets, not."""
    from poolhand.sms.keeping import restored

    del command
    address = secrets_address(KeepingFlags(folder, database, master_key_file))
    members = {"file": str(file), "secrets": restored(file, address)}
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "audit", example="poolhand sms audit --limit 50", local=True)
def audit(
    command: CommandRun,
    limit: AuditLimitOption = 100,
    folder: SmsFolderOption = "",
    database: SmsDatabaseOption = "",
    master_key_file: MasterKeyFileOption = "",
) -> Answer:
    """List what was done with secrets, newest first: which, when and for whom; never a value."""
    from poolhand.sms.keeping import told_audit

    del command
    rows = told_audit(limit, secrets_address(KeepingFlags(folder, database, master_key_file)))
    columns = ("moment", "act", "store", "kind", "owner", "name", "caller")
    cells = [tuple(str(each[name]) for name in columns) for each in rows]
    return Answer({"audit": rows}, lambda: grid(columns, cells, f"{len(rows)} act(s)"))


@verb(
    app,
    "import-result-keys",
    example="poolhand sms import-result-keys results/result-keys",
    local=True,
)
async def import_result_keys(
    command: CommandRun,
    old: OldKeysArgument,
    framework: FrameworkOption = "tdx",
    folder: SmsFolderOption = "",
    database: SmsDatabaseOption = "",
    master_key_file: MasterKeyFileOption = "",
) -> Answer:
    """Take over the keys for results that a results service kept, as their owners signed them."""
    from poolhand.sms.keeping import take_over

    del command
    address = secrets_address(KeepingFlags(folder, database, master_key_file))
    taken, there, unfit = await take_over(old, address, framework)
    members = {"taken": taken, "there_already": there, "unfit": unfit}
    return Answer(members, lambda: pairs(members.items()))


async def _serve(settings: Settings, ready: Ready) -> None:
    from poolhand.sms.main import serve

    await serve(sms_settings(settings), ready)


add_program(
    app,
    "serve",
    SMS_OPTIONS,
    _serve,
    """Keep secrets and tell who has them, until stopped.

    The master key lies elsewhere than the secrets: make one with `poolhand sms new-key FILE`.

    Example: poolhand sms serve --chain arbitrum --folder /srv/sms \\
    --master-key-file /etc/poolhand/sms-master.key

    Exit codes: 0 stopped, 2 a setting is wrong, the port is busy or the master key is another, 4
    the chain, the database or the master key is out of reach.
    """,
)
