"""What a worker must know of a task, read from the chain alone: the scheduler is not trusted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from poolhand.domain.category import Category
from poolhand.domain.deal import App, Dataset, Deal
from poolhand.domain.errors import PeerFault, Refused
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import Address
from poolhand.domain.params import DealParams
from poolhand.domain.replicate.machine import Flow, Offer
from poolhand.domain.signatures import check_authorization
from poolhand.domain.tag import Tag
from poolhand.domain.tee.framework import TeeFramework, framework_of
from poolhand.domain.trust import Trust
from poolhand.ports.chain import Hub


class BadOffer(PeerFault):
    """The scheduler offered something that the chain contradicts."""


class DealMissing(BadOffer):
    """The chain, as our node sees it, knows no such deal: a lie, a re-organisation, or a lag."""


class UnfitTask(Refused):
    """The task is real, but this worker cannot or will not do it; the message says why."""


@dataclass(frozen=True, slots=True)
class Brief:
    """One deal with its app, dataset (None: none bought), parameters and category."""

    deal: Deal
    app: App
    dataset: Dataset | None
    params: DealParams
    category: Category


async def read_brief(hub: Hub, offer: Offer) -> Brief:
    """Read a deal and what it names.

    Raises:
        DealMissing: The chain knows no such deal.
        BadOffer: The deal names what is not there.
        ChainUnreachable: No endpoint answers.
    """
    deal = await hub.deal(offer.deal_id)
    if deal is None:
        raise DealMissing(
            f"the scheduler offered deal {offer.deal_id}, which the chain does not know"
        )
    app = await hub.app(deal.app.address)
    dataset = await hub.dataset(deal.dataset.address) if deal.has_dataset else None
    categories = await hub.categories()
    if app is None or (deal.has_dataset and dataset is None) or deal.category not in categories:
        raise BadOffer(f"deal {offer.deal_id} names an app, dataset or category that is not there")
    params = DealParams.parse(deal.params)
    return Brief(deal, app, dataset, params, categories[deal.category])


def check_offer(
    offer: Offer,
    brief: Brief,
    pool: Address,
    worker: Address,
    *,
    has_gpu: bool = False,
    frameworks: Collection[TeeFramework] = (),
) -> None:
    """Check that the offer is ours to take and that we can do it.

    Args:
        offer: By which the pool authorizes us.
        brief: Of its task.
        pool: Ours.
        worker: Our wallet.
        has_gpu: Whether the worker gives apps GPUs.
        frameworks: Of confidential tasks that it runs, as tags name them.

    Raises:
        BadOffer: Another pool's deal, a task that is not the deal's, the flow does not fit the
            trust, or there is an enclave where none is asked for, or none where one is.
        BadSignature: The pool owner did not authorize this worker for this task.
        UnfitTask: A TEE is asked for, or a GPU where there is none, or the app is no Docker image.
    """
    deal = brief.deal
    inside = deal.bot_first <= offer.index < deal.bot_first + deal.bot_size
    if not inside or task_id(deal.deal_id, offer.index) != offer.task_id:
        raise BadOffer(f"task {offer.task_id} is not task {offer.index} of deal {offer.deal_id}")
    if deal.workerpool.address != pool:
        raise BadOffer(f"deal {deal.deal_id} is for pool {deal.workerpool.address}, not {pool}")
    if offer.flow is Flow.CONTRIBUTE_AND_FINALIZE and deal.trust != Trust(1):
        raise BadOffer(f"trust {deal.trust} does not allow to contribute and finalize at once")
    signed, owner = offer.authorization, deal.workerpool.owner
    check_authorization(signed, owner, worker, offer.task_id, offer.enclave)
    _check_enclave(offer, deal.tag, frameworks)
    if deal.tag.needs_gpu and not has_gpu:
        raise UnfitTask("the task needs a GPU and this worker gives apps none: tag of the deal")
    if brief.app.type != "DOCKER":
        raise UnfitTask(f"app {brief.app.address} has type {brief.app.type}, not DOCKER")


def _check_enclave(offer: Offer, tag: Tag, frameworks: Collection[TeeFramework]) -> None:
    """Check that the task is confidential exactly where its deal says so, and that we can do it."""
    if not tag.needs_tee:
        if not offer.enclave.is_zero:
            raise BadOffer(f"task {offer.task_id} is offered for an enclave and asks for none")
        return
    framework = framework_of(tag)
    if framework not in frameworks:
        raise UnfitTask(
            f"the task needs a TEE ({framework}) and this worker has none such: its tag"
        )
    if offer.enclave.is_zero or not offer.secrets_url:
        raise BadOffer(f"task {offer.task_id} needs a TEE, and no enclave or service is named")
