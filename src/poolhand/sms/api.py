"""The HTTP face of the secret management service, as iExec's SDKs 8 and 9 know it.

Source: services-api.md 4.1 to 4.3, services-api-2.md B.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from poolhand import __version__
from poolhand.domain.errors import EndsProgram, PoolhandError, Refused
from poolhand.domain.ids import Address
from poolhand.domain.sms_secret import (
    MOST_SECRET,
    MOST_SECRET_NAME,
    SecretKind,
    SecretPlace,
    check_requester_name,
)
from poolhand.ports.chain import HubFacts
from poolhand.sms.edge import caller_of
from poolhand.sms.errors import NoSecretHere, NotText, SecretTooLarge
from poolhand.sms.keeper import SecretKeeper
from poolhand.sms.metrics import SmsMetrics
from poolhand.transport.described import DescribedRoute
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS, fault_response
from poolhand.transport.json_answer import JsonAnswer
from poolhand.wire.results_api import ToldResultKey
from poolhand.wire.sms_api import SmsFault, SmsHealth

PlaceReader: TypeAlias = Callable[[Request], SecretPlace]
Putting: TypeAlias = Callable[[SecretPlace, bytes, str, str], Coroutine[Any, Any, None]]
_TEXT: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}
}
_SIGNED: Final[list[dict[str, Any]]] = [
    {"name": "Authorization", "in": "header", "required": True, "schema": {"type": "string"}}
]


class MissingParameter(Refused):
    """A question leaves out what it is about."""


def secret_routes(keeper: SecretKeeper, metrics: SmsMetrics) -> list[DescribedRoute]:
    """Return the endpoints of secrets."""
    return [
        *_routes_of(keeper, metrics, "/secrets/web3", _dataset, ("secretAddress",)),
        *_routes_of(keeper, metrics, "/secrets/web2", _account, ("ownerAddress", "secretName")),
        *_routes_of(keeper, metrics, "/apps/{address}/secrets", _app),
        *_routes_of(keeper, metrics, "/requesters/{address}/secrets/{key}", _requester),
    ]


def _routes_of(
    keeper: SecretKeeper,
    metrics: SmsMetrics,
    path: str,
    place: PlaceReader,
    query: Sequence[str] = (),
) -> list[DescribedRoute]:
    async def look(request: Request) -> Response:
        """Tell whether there is such a secret: 204, else 404."""
        metrics.looks.inc()
        try:
            found = await keeper.has(place(request))
        except (MissingParameter, EndsProgram):
            raise
        except Refused:
            found = False  # what cannot be is not there
        return Response(status_code=204 if found else 404)  # bare: there is no body to HEAD

    async def post(request: Request) -> Response:
        """Put a secret where none is, signed by whoever may."""
        return await _put(request, place, keeper.add, "added", metrics)

    async def put(request: Request) -> Response:
        """Put another secret in the place of one, signed by whoever may."""
        return await _put(request, place, keeper.change, "changed", metrics)

    asked = [_told(name) for name in query]
    written = {**_TEXT, "parameters": [*asked, *_SIGNED]}
    routes = [
        DescribedRoute(path, look, "HEAD", partial(_about, look, {"parameters": asked})),
        DescribedRoute(path, post, "POST", partial(_about, post, written)),
    ]
    if place is _account:
        routes.append(DescribedRoute(path, put, "PUT", partial(_about, put, written)))
    return routes


def _about(handler: Callable[..., Any], extra: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": handler.__doc__,
        "status_code": 204,
        "response_class": Response,
        "responses": ENDPOINT_FAULT_ANSWERS,
        "openapi_extra": extra,
    }


def _told(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}


async def _put(
    request: Request, place: PlaceReader, putting: Putting, outcome: str, metrics: SmsMetrics
) -> Response:
    is_plain = place in (_dataset, _account)
    try:
        found = place(request)
        value = await _text(request)
        signature = request.headers.get("authorization", "")
        await putting(found, value, signature, caller_of(request.scope))
    except EndsProgram:
        raise
    except PoolhandError as fault:
        metrics.pushes.labels(fault.code).inc()
        if is_plain or fault.http_status >= 500:
            raise
        told = SmsFault(code=fault.code, message=str(fault), data=None, error=(str(fault),))
        return JsonAnswer(told.model_dump(mode="json"), fault.http_status)
    metrics.pushes.labels(outcome).inc()
    return Response(status_code=204)


def _dataset(request: Request) -> SecretPlace:
    return SecretPlace(SecretKind.WEB3, Address.parse(_asked(request, "secretAddress")))


def _account(request: Request) -> SecretPlace:
    name = _asked(request, "secretName")
    if len(name) > MOST_SECRET_NAME or not name.isprintable():
        raise NotText(f"a name has at most {MOST_SECRET_NAME} printable characters")
    return SecretPlace(SecretKind.WEB2, Address.parse(_asked(request, "ownerAddress")), name)


def _app(request: Request) -> SecretPlace:
    return SecretPlace(SecretKind.APP, Address.parse(request.path_params["address"]))


def _requester(request: Request) -> SecretPlace:
    name = request.path_params["key"]
    check_requester_name(name)
    owner = Address.parse(request.path_params["address"])
    return SecretPlace(SecretKind.REQUESTER, owner, name)


def _asked(request: Request, name: str) -> str:
    found = request.query_params.get(name)
    if not found:
        raise MissingParameter(f"'{name}' is missing in the query")
    return found


async def _text(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_SECRET:
            raise SecretTooLarge(f"a secret has at most {MOST_SECRET} bytes in UTF-8")
    try:
        told = body.decode()
    except UnicodeDecodeError as fault:
        raise NotText("a secret is text in UTF-8") from fault
    if not told:
        raise NotText("a secret is not empty")
    return body


def about_routes(
    keepers: Sequence[SecretKeeper],
    facts: HubFacts,
    metrics: SmsMetrics,
    trouble: Callable[[], str],
) -> list[DescribedRoute]:
    """Return the endpoints that no SDK asks: a key for results as it was signed, and health.

    Args:
        keepers: Of all stores, the service's own first: keys for results are looked for in each.
        facts: Of the hub.
        metrics: Of the store.
        trouble: Tells why the chain cannot be read, or nothing.
    """

    async def result_key(request: Request) -> Response:
        """Give the key to which results for a beneficiary are encrypted, as it signed it."""
        owner = Address.parse(request.path_params["owner"])
        for keeper in keepers:
            found = await keeper.result_key(owner)
            if found is not None:
                told = ToldResultKey(value=found.value, signature="0x" + found.signature.hex())
                return JsonAnswer(told.model_dump(mode="json"))
        return fault_response(NoSecretHere())

    async def health(_: Request) -> Response:
        """Tell that the service is up, of which chain and store, and what is wrong, if so."""
        told = trouble()
        found = SmsHealth(
            ok=not told,
            version=__version__,
            chain_id=facts.chain_id,
            hub=facts.hub,
            framework=keepers[0].store.name,
            chain=told or None,
        )
        return JsonAnswer(found.model_dump(mode="json"))

    async def version(_: Request) -> Response:
        """Tell the version."""
        return PlainTextResponse(__version__)

    async def show_metrics(_: Request) -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    plain = {"content": {"text/plain": {}}, "description": "Text."}
    return [
        _described("/v1/result-keys/{owner}", result_key, response_model=ToldResultKey),
        _described("/health", health, response_model=SmsHealth),
        _described("/version", version, response_class=Response, responses={200: plain}),
        _described("/metrics", show_metrics, response_class=Response, responses={200: plain}),
    ]


def _described(path: str, handler: Any, **told: Any) -> DescribedRoute:
    answers = {**ENDPOINT_FAULT_ANSWERS, **told.pop("responses", {})}
    more = {"description": handler.__doc__, "responses": answers, **told}
    return DescribedRoute(path, handler, "GET", lambda: more)
