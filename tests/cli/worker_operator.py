"""The operator of a worker that runs: types commands."""

from __future__ import annotations

import asyncio
import json

from poolhand.cli.main import run


class Operator:
    """Types commands; the worker goes on meanwhile."""

    def __init__(self, program, capsys) -> None:
        self.program, self.capsys = program, capsys

    async def types(self, *words, base=True, meanwhile=lambda _: None):
        where = ("--base", str(self.program.base)) if base else ()
        self.capsys.readouterr()
        out = err = ""
        typed = asyncio.create_task(asyncio.to_thread(run, ["worker", *words, *where]))
        async with asyncio.timeout(60):
            while not typed.done():
                self.program.chain.mine()
                await asyncio.sleep(0.01)
                told = self.capsys.readouterr()
                out, err = out + told.out, err + told.err
                meanwhile(err)
        told = self.capsys.readouterr()
        return typed.result(), out + told.out, err + told.err

    async def reads(self, *words, base=True):
        code, out, _ = await self.types(*words, "--json", base=base)
        return code, json.loads(out)
