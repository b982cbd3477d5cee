"""The program that packs an image's files for virtual machines: heard to its end, and not waited for."""

from __future__ import annotations

import asyncio

from poolhand.containers.vm.roots import MOST_PACKERS_WORDS, last_words

CHATTY = "i=0; while [ $i -lt 4000 ]; do echo a line of a hundred letters and more $i >&2; i=$((i+1)); done; echo the cause >&2"


async def test_however_much_it_says_it_ends_and_its_last_words_are_kept():
    program = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", CHATTY, stderr=asyncio.subprocess.PIPE
    )
    assert program.stderr is not None
    words = await last_words(program.stderr)
    assert await program.wait() == 0
    assert words.endswith(b"the cause\n")
    assert len(words) == MOST_PACKERS_WORDS
