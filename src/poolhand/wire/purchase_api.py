"""Purchases that are only signed, as a pool takes them over HTTP; see ``wire.pool_api``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import WithJsonSchema

from poolhand.domain.orders.model import AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder
from poolhand.domain.units import NanoRlc
from poolhand.wire.json_models import JsonDealId, JsonTxHash, Told
from poolhand.wire.order_forms import order_form


class SendingTerms(Told):
    """On what terms a pool sends purchases that are only signed; ``fee`` is per task (nRLC)."""

    fee: NanoRlc = NanoRlc(0)
    most_params: int = 0


class SignedPurchase(Told):
    """``POST /v1/purchases``, what is handed in: four orders in the iExec SDK's own form.

    ``dataset`` is null where none is bought.
    """

    app: Annotated[Mapping[str, Any], WithJsonSchema(order_form(AppOrder))]
    dataset: Annotated[Mapping[str, Any], WithJsonSchema(order_form(DatasetOrder))] | None = None
    workerpool: Annotated[Mapping[str, Any], WithJsonSchema(order_form(WorkerpoolOrder))]
    request: Annotated[Mapping[str, Any], WithJsonSchema(order_form(RequestOrder))]


class SentPurchase(Told):
    """``POST /v1/purchases``: the deal that is made, whose tasks are numbered from 0.

    ``tx`` makes it, and is null where the chain has the deal already.
    """

    deal_id: JsonDealId
    tx: JsonTxHash | None = None
