"""A fetcher's program that somebody has taken over: it speaks the form, and does as it likes."""

from __future__ import annotations

import os
import socket
import sys

from poolhand.wire.fetcher_api import (
    FETCHER_LINE,
    Fetch,
    Fetched,
    FetcherReady,
    FetchFault,
    LookUp,
    NotFetched,
    StillHere,
)
from poolhand.wire.own_line import LENGTH_BYTES


def main(lie, line):
    def say(*messages):
        for message in messages:
            line.sendall(FETCHER_LINE.frame(message))

    def hear():
        data, files, _, _ = socket.recv_fds(line, LENGTH_BYTES, 1)
        if not data:
            sys.exit(0)
        return FETCHER_LINE.decode(line.recv(FETCHER_LINE.length(data), socket.MSG_WAITALL)), files

    hear()
    if lie == "ends at once":
        return
    say(FetcherReady(("nothing",)))
    while True:
        asked, files = hear()
        if isinstance(asked, Fetch):
            LIES[lie](asked, files, say)
        else:
            say(StillHere())


def brings_nothing(asked, files, say):
    os.close(files[0])
    say(Fetched(asked.number))


def brings_too_much(asked, files, say):
    os.write(files[0], bytes(asked.limit + 1))
    brings_nothing(asked, files, say)


def holds_on(asked, files, say):
    os.write(files[0], b"what is checked")
    say(Fetched(asked.number))


def speaks_out_of_turn(asked, _files, say):
    say(Fetch(asked.number, "x", 1, 1, 0))


def looks_up_too_much(_asked, _files, say):
    say(*(LookUp(number, "data.example", 443) for number in range(1_000)))


def commands_the_terminal(asked, files, say):
    os.close(files[0])
    say(NotFetched(asked.number, FetchFault.FAILED, "\x1b[2J", "\x1b[31mpay now"))


def ends(_asked, _files, _say):
    sys.exit(7)


LIES = {
    each.__name__.replace("_", " "): each
    for each in (
        brings_nothing,
        brings_too_much,
        holds_on,
        speaks_out_of_turn,
        looks_up_too_much,
        commands_the_terminal,
        ends,
    )
}

if __name__ == "__main__":
    main(sys.argv[1], socket.socket(fileno=int(sys.argv[-1])))
