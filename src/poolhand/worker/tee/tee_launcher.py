"""The first program in each container of a confidential task: it proves what runs, and becomes it.

It makes a key, has a quote made over it, gets its service's environment sealed to that key, and
replaces itself by the program of the image with this environment. So secrets are in no command
line, file or setting of the container, and the worker carries what it cannot read.

It runs on an interpreter of its own (``packing``), for an app's image need not have one.
"""

from __future__ import annotations

import os
import sys
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from poolhand.domain.errors import Malformed, PeerFault
from poolhand.domain.json_text import parse_json
from poolhand.domain.tee.sealing import KEY_BYTES, open_sealed, public_key_of, report_data
from poolhand.worker.tee.relay_line import (
    NOT_TOLD,
    RELAY_VARIABLE,
    SERVICE_VARIABLE,
    SESSION_VARIABLE,
    RelayClient,
)

NOT_STARTED: Final = 127
"""Exit code: the image's program is not there, as a shell says."""


def main(words: Sequence[str]) -> NoReturn:
    """Become the program ``words``; never return."""
    try:
        told = environment_for(os.environ, os.urandom(KEY_BYTES))
    except (PeerFault, OSError, KeyError, ValueError) as fault:
        _end(NOT_TOLD, f"no secrets for this program: {fault}")
    own = {name: value for name, value in os.environ.items() if name not in _OURS} | told
    if not words:
        _end(NOT_STARTED, "the image names no program")
    try:
        os.execvpe(words[0], list(words), own)  # noqa: S606 - the image's own program
    except OSError as fault:
        _end(NOT_STARTED, f"{words[0]}: {fault.strerror}")


_OURS: Final = frozenset({SESSION_VARIABLE, SERVICE_VARIABLE})


def environment_for(about: Mapping[str, str], private: bytes) -> dict[str, str]:
    """Return what the session tells this service.

    Args:
        about: The container's environment: session, service, and where the worker is.
        private: 32 random bytes, for this alone.

    Raises:
        RelayRefused: The worker, or the service that keeps the secrets, refuses.
        NotSealedForUs: What came is not for this program.
        Malformed: It is no environment.
        OSError, KeyError, ValueError: The worker is not there, or answers something else.
    """
    session, service = about[SESSION_VARIABLE], about[SERVICE_VARIABLE]
    relay = RelayClient(about[RELAY_VARIABLE])
    public, nonce = public_key_of(private), relay.ask(ask="nonce")["nonce"]
    bound = report_data(session, service, public, nonce)
    quoted = relay.ask(ask="quote", reportData=f"0x{bound.hex()}")
    answer = relay.ask(
        ask="provision",
        kind=quoted["kind"],
        quote=quoted["quote"],
        publicKey=f"0x{public.hex()}",
        nonce=nonce,
    )
    return _environment(open_sealed(private, b64decode(answer["sealed"], validate=True), bound))


def _environment(plain: bytes) -> dict[str, str]:
    told = parse_json(plain)
    if not isinstance(told, dict):
        raise Malformed("the session tells no environment")
    for name, value in told.items():
        if not isinstance(value, str) or "=" in name or "\0" in name + value or not name:
            raise Malformed("the session tells a variable that no program can be given")
    return told


def _end(code: int, why: str) -> NoReturn:
    os.write(2, f"poolhand launcher: {why}\n".encode(errors="replace"))
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
