"""A pool whose workers run functions, by the app that is in the image, in this process."""

from __future__ import annotations

import runpy
import zipfile
from functools import cache
from io import BytesIO

from bargains import LINK, contribute, finalize, reveal
from client_world import put_on_chain

from poolhand.devnet.examples import FUNCTION_APP
from poolhand.domain.params import DealParams, input_name, split_arguments


@cache
def app():
    """The program of the image."""
    return runpy.run_path(str(FUNCTION_APP / "main.py"), run_name="app")


class FunctionWorkers:
    """Do deals of functions.

    Attributes:
        ran: (deal, index, arguments) of each task, in order.
        alter: Given the files of each result, may change them.
        fails: Indices of tasks that nobody does.
    """

    def __init__(self, folder, archives_alter=None):
        self.folder = folder
        self.ran = []
        self.alter = lambda files: files
        self.forge = lambda archive: archive
        self.fails = set()

    async def __call__(self, market, deal):
        await put_on_chain(market, deal)
        for index, task_id in deal.tasks():
            if index not in self.fails:
                files = self.alter(self.compute(deal, index, await self._inputs(market, deal)))
                market.results.archives[task_id] = self.forge(zipped(files))
                await contribute(market, task_id, files["result.bin"])
                await reveal(market, task_id, files["result.bin"])
                await finalize(market, task_id, LINK)

    async def _inputs(self, market, deal):
        """Download the input files, as a worker does; return what the app is told of them."""
        told, folder = {}, self.folder / f"{deal.deal_id}-in"
        folder.mkdir(parents=True, exist_ok=True)
        for number, url in enumerate(DealParams.parse(deal.params).input_files, 1):
            answer = await market.http.get(url)
            assert answer.status_code == 200, answer.text
            (folder / input_name(url)).write_bytes(answer.content)
            told[f"IEXEC_INPUT_FILE_NAME_{number}"] = input_name(url)
        return {**told, "IEXEC_IN": str(folder)}

    def compute(self, deal, index, inputs):
        """Return the files that the app leaves."""
        words = split_arguments(DealParams.parse(deal.params).args)
        out = self.folder / f"{deal.deal_id}-{index}"
        out.mkdir(parents=True)
        self.ran.append((deal.deal_id, index, words))
        environment = {"IEXEC_TASK_INDEX": str(index), "IEXEC_OUT": str(out), **inputs}
        assert app()["main"](list(words), environment) == 0
        files = {each.name: each.read_bytes() for each in out.iterdir()}
        named = files["computed.json"].replace(str(out).encode(), b"/iexec_out")
        return {**files, "computed.json": named}


def zipped(files):
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return out.getvalue()
