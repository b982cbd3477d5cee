"""``poolhand diagnose``: a file for whoever helps, without keys, passwords or logins."""

from __future__ import annotations

import inspect
import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from poolhand import __version__
from poolhand.cli.doctor import add_worker_verb, examination_of, settings_found
from poolhand.cli.finding import find_page
from poolhand.cli.plain import Noun
from poolhand.cli.saying import say
from poolhand.domain.errors import PoolhandError
from poolhand.domain.redaction import Redaction, is_secret_name, secrets_in_url
from poolhand.keys.named import read_password
from poolhand.settings.home import at_home
from poolhand.settings.load import Settings

if TYPE_CHECKING:
    from poolhand.cli.support_bundle import BundlePart

LOG_TAIL: Final = 256 * 1024
"""Bytes of a log's end that are taken."""
MOST_TRACES: Final = 5
"""Newest traces of faults that are taken."""
MOST_LOGS: Final = 10
"""Logs that are taken."""

app = Noun()

DIAGNOSE_DOC: Final = """Write a file for whoever helps with a worker: what the doctor finds,
    settings, status, the ends of logs, and a summary of the journal.

    Keys, passwords, recovery phrases, tokens and logins of addresses are taken out; the file is
    for its owner alone, and nothing is sent anywhere. Logs are those in the worker's folder, those
    that --log names, and the journal where the worker is a service of systemd.

    Example: poolhand diagnose --name worker --to bundle.zip

    Exit codes: 0 written, 2 a setting cannot be read, or the file cannot be written.
    """
_LOG: Final = Annotated[
    list[str],
    typer.Option("--log", metavar="FILE", help="A log to take the end of; several allowed."),
]
_TO: Final = Annotated[
    str, typer.Option("--to", metavar="FILE", help="Where to write. [poolhand-TIME.zip]")
]
_KIND: Final = inspect.Parameter.KEYWORD_ONLY
_MORE: Final = (
    inspect.Parameter("log", _KIND, default=[], annotation=_LOG),
    inspect.Parameter("to", _KIND, default="", annotation=_TO),
)


class BundleUnwritable(PoolhandError):
    """The bundle cannot be written where it should lie."""

    exit_code = 2

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"cannot write {path} ({why}): name another file with --to")


def _diagnose(**given: Any) -> None:
    from poolhand.cli.support_bundle import write_bundle
    from poolhand.keys.phrases import phrase_words

    found = settings_found(given)
    path = Path(given["to"] or f"poolhand-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip")
    folder = at_home(found["base-dir"]) / found["name"]
    parts = tuple(_parts(found, folder, given["log"]))
    redaction = Redaction(_secrets(found, folder), phrase_words())
    try:
        written = write_bundle(path, parts, redaction)
    except OSError as fault:
        raise BundleUnwritable(path, fault.strerror or str(fault)) from fault
    if given["as_json"]:
        files = [{"name": e.name, "what": e.what, "bytes": e.size} for e in written]
        print(json.dumps({"path": str(path), "files": files}, indent=2))
        return
    listed = "".join(f"\n  {each.name}: {each.what}, {each.size} bytes" for each in written)
    say(
        f"{path} is written; secrets were taken out, and nothing was sent. Look through it before "
        f"you send it to anybody:{listed}",
        on_output=True,
    )


add_worker_verb(app, "diagnose", _diagnose, DIAGNOSE_DOC, _MORE)


def _parts(found: Settings, folder: Path, logs: list[str]) -> Iterator[BundlePart]:
    from poolhand.cli.support_bundle import BundlePart
    from poolhand.wire.doctor_json import encode_examination

    examined = encode_examination(examination_of(found), __version__)
    yield BundlePart("doctor.json", "what `poolhand worker doctor` finds", examined)
    yield BundlePart("versions.json", "versions of Poolhand, Python and this system", _versions())
    rows = {row.option.key: {"value": row.shown, "origin": row.origin} for row in found.rows()}
    yield BundlePart("settings.json", "settings in force and their origins", rows)
    yield BundlePart("status.json", "what the worker says of itself", _status(folder))
    yield BundlePart("journal.json", "how much of what stands in its journal", _journal(folder))
    for number, log in enumerate(_logs(folder, logs), 1):
        yield BundlePart(f"log-{number}.txt", f"the end of {log}", _tail(log))
    for number, (asked, text) in enumerate(_service_logs(found["name"], folder), 1):
        yield BundlePart(f"service-{number}.txt", f"what `{asked}` prints", _end(text))
    for number, trace in enumerate(_traces(folder), 1):
        yield BundlePart(f"trace-{number}.txt", f"a fault, {trace.name}", _tail(trace))


def _versions() -> dict[str, Any]:
    installed = {each.metadata["Name"]: each.version for each in distributions()}
    return {
        "poolhand": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "machine": platform.machine(),
        "packages": dict(sorted(installed.items())),
    }


def _status(folder: Path) -> Any:
    try:
        return find_page(base=folder).status()
    except PoolhandError as fault:
        return {"error": {"code": fault.code, "message": fault.told}}


def _journal(folder: Path) -> dict[str, Any]:
    """Count what stands in the journal: by section, and by what happened."""
    from poolhand.store.snapshot import snapshot

    path = folder / "journal"
    sections: Counter[str] = Counter()
    streams, happened = set(), Counter[str]()
    try:
        with snapshot(path) as journal:
            for stream, event in journal.read():
                streams.add(stream)
                sections[stream.partition("/")[0]] += 1
                happened[str(event.get("t", ""))] += 1
            size = path.stat().st_size
    except (PoolhandError, OSError) as fault:
        return {"error": str(fault)}
    return {
        "bytes": size,
        "streams": len(streams),
        "records_by_section": dict(sections),
        "records_by_event": dict(happened),
    }


def _logs(folder: Path, named: list[str]) -> list[Path]:
    beside = [*sorted(folder.glob("*.log")), folder.parent / f"{folder.name}.log"]
    return list(dict.fromkeys((*map(at_home, named), *filter(Path.is_file, beside))))[:MOST_LOGS]


def _service_logs(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    from poolhand.cli.service_log import cgroups_of, service_logs, units_of
    from poolhand.worker.pid_file import read

    pid_file = read(folder)
    runs = pid_file is not None and pid_file.is_running
    yield from service_logs(units_of(name, cgroups_of(pid_file.pid) if runs and pid_file else ""))


def _end(text: str) -> str:
    """Return the end of a text, from the beginning of a line on where it was cut."""
    return text if len(text) <= LOG_TAIL else text[-LOG_TAIL:].partition("\n")[2]


def _traces(folder: Path) -> list[Path]:
    there = [each for each in (folder / "faults").glob("*") if each.is_file()]
    newest = sorted(there, key=lambda each: each.stat().st_mtime)[-MOST_TRACES:]
    crash = folder / "last-crash.trace"
    return [*newest, *([crash] if crash.is_file() else [])]


def _tail(path: Path) -> str:
    """Return the end of a file, from the beginning of a line on where it was cut."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - LOG_TAIL, 0))
            text = file.read(LOG_TAIL).decode(errors="replace")
    except OSError as fault:
        return f"cannot be read: {fault.strerror}\n"
    return text.partition("\n")[2] if size > LOG_TAIL else text


def _secrets(found: Settings, folder: Path) -> Iterator[str]:
    """Yield every secret that is known here: of settings, environment, files, and addresses."""
    from poolhand.worker.pid_file import read

    yield from (str(row.value) for row in found.rows() if row.option.secret and row.value)
    yield from (value for name, value in os.environ.items() if value and is_secret_name(name))
    if found["password-file"] and found["password-file"] != "-":
        with suppress(PoolhandError):
            yield read_password(found["password-file"])
    for text in (*os.environ.values(), *_texts(found)):
        if "://" in text:
            for each in text.split(","):
                yield from secrets_in_url(each)
    pid_file = read(folder)
    if pid_file is not None and pid_file.token:
        yield pid_file.token


def _texts(found: Settings) -> Iterator[str]:
    for row in found.rows():
        values = row.value if isinstance(row.value, tuple) else (row.value,)
        yield from (each for each in values if isinstance(each, str))
