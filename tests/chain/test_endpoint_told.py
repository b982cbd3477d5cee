"""An endpoint's failures are told by its name, its recovery too, and not with every try."""

from __future__ import annotations

import structlog

from poolhand.chain.http_link import HttpLink
from poolhand.chain.refusal import EndpointDown
from poolhand.chain.rpc import Endpoint


def test_an_endpoint_that_fails_and_answers_again_is_told_of_once_each():
    structlog.reset_defaults()
    endpoint = Endpoint(HttpLink("http://node.test:8545/secret-key"))
    name = endpoint.link.name
    with structlog.testing.capture_logs() as lines:
        for second in range(0, 1000, 40):
            endpoint.failed(EndpointDown(name, "does not answer"), float(second))
        endpoint.failed(EndpointDown(name, "lags behind"), 1040.0)
        endpoint.answered()
        endpoint.answered()
    told = [(line["event"], line["endpoint"]) for line in lines]
    assert told == [("endpoint_failed", name)] * 2 + [("endpoint_answered", name)]
    assert "does not answer" in lines[0]["cause"]
    assert lines[0]["rest"] == 0.25
    assert "secret-key" not in str(lines)
