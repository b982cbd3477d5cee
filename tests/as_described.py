"""A service is asked what its OpenAPI document allows and what it does not; answers must fit it.

Schemathesis makes the requests (always the same ones) and looks at the answers: no crash; a status,
a content type and a body that the document has; no right request refused as malformed, and no wrong
one taken. The service listens on loopback in a thread of its own; who asks is this one.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import hypothesis
import schemathesis
from hypothesis import strategies
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from poolhand.domain.market.challenges import challenge_digest
from poolhand.transport.asgi import bind, port_of, serve_on
from signing import sign_digest

RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
LONG = 16_000
"""Characters of a query."""
EXAMPLES = 5
"""Requests of each kind that an operation is sent."""


class DoesNotFit(AssertionError):
    """An answer, with its request."""


@schemathesis.serializer("application/zip")
def bytes_of(_, value):
    """No archive: a text."""
    return str(value).encode(errors="replace")


@contextmanager
def served(made):
    """Run the application that ``made()`` yields, an async context, until the block ends."""
    listener, up = bind("127.0.0.1", 0), Future()

    async def run():
        try:
            async with made() as app:
                serving = asyncio.create_task(serve_on(app, listener, lambda _: up.set_result(end)))
                loop = asyncio.get_running_loop()

                def end():
                    loop.call_soon_threadsafe(serving.cancel)

                await asyncio.gather(serving, return_exceptions=True)
        except BaseException as fault:
            if up.done():
                raise
            up.set_exception(fault)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        end = up.result(60)
        try:
            yield f"http://127.0.0.1:{port_of(listener)}"
        finally:
            end()
    finally:
        thread.join()


@dataclass
class Described:
    """A service and its document.

    Attributes:
        url: Of the service.
        there: By path and name, parameters by which something is found.
        always: Query parameters that every right request has with one value, by name.
        header: Makes the ``authorization`` that some operations want, given a client.
        free: Operations of which no schema says which requests are right.
        token: That every request carries; none does where it is empty.
    """

    url: str
    there: dict[str, dict[str, Any]] = field(default_factory=dict)
    always: dict[str, Any] = field(default_factory=dict)
    header: Any = None
    free: tuple[str, ...] = ()
    token: str = ""

    def __post_init__(self):
        self.client = httpx.Client(trust_env=False)
        self.document = _as_it_is_read(self.client.get(f"{self.url}/openapi.json").json())
        for methods in self.document["paths"].values():
            for each in methods.values():
                for parameter in each.get("parameters", ()):
                    if parameter["name"] in self.always:
                        parameter["schema"] = {"enum": [self.always[parameter["name"]]]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def faults(self, mode):
        """Return what does not fit, by operation; nothing where all does."""
        schema = schemathesis.openapi.from_dict(self.document)
        operations = [each.ok() for each in schema.get_all_operations()]
        assert len(operations) == sum(map(len, self.document["paths"].values()))
        told = {each.label: self._fault(each, mode) for each in operations}
        return {label: fault for label, fault in told.items() if fault}

    def _fault(self, operation, mode):
        asked = (operation.path_parameters, operation.query, operation.headers, operation.body)
        if mode is WRONG and not any(asked):
            return ""

        @hypothesis.settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(operation.as_strategy(mode), strategies.booleans())
        def fits(case, is_there):
            self._ask(case, is_there=is_there and mode is RIGHT)

        try:
            fits()
        except DoesNotFit as fault:
            return str(fault)
        return ""

    def _ask(self, case, *, is_there):
        if len(urlencode(case.query)) > LONG:
            return  # whoever sends so much before a body is hung up on: tests/transport has that
        known = self.there.get(case.operation.path, {}) if is_there else {}
        for place in (case.path_parameters, case.query):
            place.update({name: value for name, value in known.items() if name in place})
        wants = {each.name for each in case.operation.headers}
        if self.header is not None and "authorization" in wants:
            case.headers["authorization"] = self.header(self.client)
        if self.token:
            case.headers["authorization"] = f"Bearer {self.token}"
        response = case.call(base_url=self.url, proxies={"http": ""})
        passed_over = self._passed_over(case, response.status_code)
        try:
            case.validate_response(response, excluded_checks=passed_over)
        except FailureGroup as group:
            told = "; ".join(str(each) for each in group.exceptions)
            asked = case.as_curl_command()
            raise DoesNotFit(f"{told}\n{asked}\n{response.status_code} {response.text}") from None

    def _passed_over(self, case, status):
        """Return the checks that do not hold of an answer, for a reason of their own."""
        passed_over = [checks.missing_required_header]
        if case.operation.label in self.free:
            passed_over.append(checks.positive_data_acceptance)
        if "" in case.query.values() or status == 413:
            # it knows no allowEmptyValue, nor that what is too large is refused
            passed_over.append(checks.negative_data_rejection)
        if status == 503:  # try later: the chain has not told us of it
            passed_over.append(not_a_server_error)
        return passed_over


def _as_it_is_read(node):
    """Write tuples as Schemathesis 4.32 can read them: its own validator refuses them."""
    if isinstance(node, list):
        return [_as_it_is_read(each) for each in node]
    if not isinstance(node, dict):
        return node
    told = {name: _as_it_is_read(each) for name, each in node.items()}
    return told | {"items": {"anyOf": told.pop("prefixItems")}} if "prefixItems" in told else told


def proof(wallet, told, name):
    """Return the header that proves who asks, by the typed data of a challenge."""
    chain_id, challenge = told["domain"]["chainId"], told["message"]["challenge"]
    digest = challenge_digest(int(chain_id), challenge, name)
    return f"0x{digest.hex()}_0x{sign_digest(wallet, digest).hex()}_{wallet.address}"


def told(faults):
    return "\n\n".join(f"{label}\n{fault}" for label, fault in faults.items())
