"""Secrets and quotes in memory, for tests: what a service seals, and to whom."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections import Counter

from poolhand.domain.errors import Refused
from poolhand.domain.tee.sealing import report_data, seal
from poolhand.ports.tee import RelayedQuote


class NotProved(Refused):
    """A program has not proved what it is."""


class MemoryQuoter:
    """Quotes in memory: image digest, words and report data, unsigned."""

    def __init__(self):
        self.asked = []

    async def quote(self, program, report):
        self.asked.append(program)
        told = json.dumps([program.digest, list(program.command), report.hex()])
        return RelayedQuote("tdx", f"0x{told.encode().hex()}")


class MemorySessions:
    """A secret management service in memory; one use per session and service."""

    def __init__(self, environments, programs):
        self.environments, self.programs = environments, programs
        self.opened, self.used, self.nonces = [], Counter(), set()
        self.fault, self.plain = None, b""

    async def program(self, service):
        return self.programs[service]

    async def open(self, offer, worker):
        if self.fault is not None:
            raise self.fault
        self.opened.append((offer, worker))
        return f"session{len(self.opened)}"

    async def nonce(self, session):
        made = os.urandom(8).hex()
        self.nonces.add((session, made))
        return made

    async def provision(self, session, service, asked):
        self.nonces.remove((session, asked.nonce))
        public = bytes.fromhex(asked.public_key[2:])
        digest, _, told = json.loads(bytes.fromhex(asked.quote[2:]))
        bound = report_data(session, service, public, asked.nonce)
        wanted = self.programs.get(service)
        if told != bound.hex() or (wanted is not None and digest != wanted.digest):
            raise NotProved("refused")
        self.used[session, service] += 1
        if self.used[session, service] > 1 or session != f"session{len(self.opened)}":
            raise NotProved("refused")
        plain = self.plain or json.dumps(dict(self.environments[service])).encode()
        return b64encode(seal(public, plain, bound, os.urandom(32))).decode()
