"""Purchases that are only signed, as a pool takes them over HTTP; see ``wire.pool_api``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poolhand.domain.units import NanoRlc
from poolhand.wire.json_models import JsonDealId, JsonTxHash, Told


class SendingTerms(Told):
    """On what terms a pool sends purchases that are only signed; ``fee`` is per task (nRLC)."""

    fee: NanoRlc = NanoRlc(0)
    most_params: int = 0


class SignedPurchase(Told):
    """``POST /v1/purchases``, what is handed in: four orders in the iExec SDK's own form.

    ``dataset`` is null where none is bought.
    """

    app: Mapping[str, Any]
    dataset: Mapping[str, Any] | None = None
    workerpool: Mapping[str, Any]
    request: Mapping[str, Any]


class SentPurchase(Told):
    """``POST /v1/purchases``: the deal that is made, whose tasks are numbered from 0.

    ``tx`` makes it, and is null where the chain has the deal already.
    """

    deal_id: JsonDealId
    tx: JsonTxHash | None = None
