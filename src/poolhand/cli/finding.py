"""Finding the running worker that is meant: by its folder or name, or because it is the only one.

A running worker leaves ``worker.json`` in its folder (``worker.pid_file``), below the folder that
``worker start`` takes by default, or below that of the devnet that runs here. One with a folder of
its own is found by the status page at the usual port, which tells its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from poolhand.cli.worker_page import TOKEN, Page, WorkerSilent
from poolhand.devnet.info import devnet_home
from poolhand.domain.errors import Refused, Unavailable
from poolhand.settings.home import at_home

if TYPE_CHECKING:
    from poolhand.worker.pid_file import PidFile

BASE_VARIABLE: Final = "IEXEC_WORKER_BASE_DIR"
DEFAULT_BASE: Final = "~/.poolhand/workers"
PORT_VARIABLE: Final = "IEXEC_WORKER_PORT"
DEFAULT_PORT: Final = "13100"
"""As ``worker start`` has them."""

UrlOption = Annotated[str, typer.Option(metavar="URL", help="The worker's status page.")]
BaseOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="The worker's folder, or its --base-dir. [below ~/.poolhand/workers, or the devnet's]",
    ),
]
WorkerNameOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Which worker, where several run.")
]


class NoWorkerRuns(Unavailable):
    """No worker was found."""

    def __init__(self, places: Sequence[Path], name: str) -> None:
        which = f"no worker '{name}'" if name else "no worker"
        super().__init__(
            f"{which} runs in {' or '.join(map(str, places))}, and none answers at "
            f"{_usual_page()}: start one with `poolhand worker start`, or name its folder with "
            "--base (what `worker start` was given as --base-dir)"
        )


class SeveralWorkers(Refused):
    """More than one worker could be meant."""

    def __init__(self, found: Sequence[tuple[Path, PidFile]]) -> None:
        listed = "".join(
            f"\n  {folder.name}  {pid_file.url}  {folder}" for folder, pid_file in found
        )
        super().__init__(f"{len(found)} workers run here: name one with --name NAME{listed}")


def find_page(url: str = "", base: Path | None = None, name: str = "") -> Page:
    """Find a worker's page, and the token that orders need.

    Args:
        url: Of the page, if it is known.
        base: The worker's folder, or one with the folders of several; None: the usual places.
        name: Which worker of those.

    Raises:
        WorkerSilent, NoWorkerRuns: None runs there.
        SeveralWorkers: More than one does; the message lists them.
    """
    if url:
        return _by_url(url)
    places = [base] if base else _usual_places()
    found = [each for each in _running(places) if name in ("", each[0].name)]
    if len(found) > 1:
        raise SeveralWorkers(found)
    if found:
        pid_file = found[0][1]
        return Page(pid_file.url, pid_file.token, pid_file)
    if base:
        raise WorkerSilent(str(base))
    return _at_the_usual_port(places, name)


def _usual_places() -> list[Path]:
    mine = at_home(os.environ.get(BASE_VARIABLE) or DEFAULT_BASE)
    return list(dict.fromkeys((mine, devnet_home() / "workers")))


def _usual_page() -> str:
    return f"http://127.0.0.1:{os.environ.get(PORT_VARIABLE) or DEFAULT_PORT}"


def _running(places: Sequence[Path]) -> Iterator[tuple[Path, PidFile]]:
    """Yield running workers by their folders, each once."""
    from poolhand.worker.pid_file import WORKER_PID_FILE, read

    for place in places:
        files = (place / WORKER_PID_FILE, *sorted(place.glob(f"*/{WORKER_PID_FILE}")))
        for folder in dict.fromkeys(file.parent for file in files):
            pid_file = read(folder)
            if pid_file is not None and (pid_file.is_running or _answers(pid_file)):
                yield folder, pid_file


def _answers(pid_file: PidFile) -> bool:
    """Whether a worker whose process is not seen from here is there: it may be in a container."""
    with suppress(WorkerSilent):
        Page(pid_file.url, "").status()
        return True
    return False


def _by_url(url: str) -> Page:
    """Return the page of a URL, with the token that stands in the folder it tells."""
    told = os.environ.get(TOKEN, "")
    if told:
        return Page(url, told)
    with suppress(WorkerSilent):
        pid_file = _told_folder(Page(url, ""))
        if pid_file is not None:
            return Page(url, pid_file.token, pid_file)
    return Page(url, "")


def _at_the_usual_port(places: Sequence[Path], name: str) -> Page:
    page = Page(_usual_page(), os.environ.get(TOKEN, ""))
    try:
        status = page.status()
    except WorkerSilent:
        raise NoWorkerRuns(places, name) from None
    if name not in ("", status.get("name")):
        raise NoWorkerRuns(places, name)
    pid_file = _told_folder(page)
    return page if pid_file is None or page.token else Page(page.url, pid_file.token, pid_file)


def _told_folder(page: Page) -> PidFile | None:
    """Return what stands in the folder that a page tells, if we may read it; raises WorkerSilent.

    A page may tell any folder: what stands there counts only if it names the page.
    """
    from poolhand.worker.pid_file import read

    folder = page.status().get("folder")
    pid_file = read(Path(folder)) if isinstance(folder, str) else None
    return pid_file if pid_file is not None and pid_file.url == page.url.rstrip("/") else None
