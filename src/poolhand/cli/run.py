"""``poolhand run``: from an image to a result in one command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from poolhand.cli.claiming import ClaimFlag, claim_by_itself
from poolhand.cli.command_run import CommandRun
from poolhand.cli.parts import optional_address
from poolhand.cli.plain import Noun
from poolhand.cli.progress import follow
from poolhand.cli.selling import tag_of
from poolhand.cli.verb import Answer, verb
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.network_hosts import MOST_HOSTS, read_hosts
from poolhand.domain.orders.model import AppOrder, DatasetOrder, WorkerpoolOrder
from poolhand.domain.params import join_arguments
from poolhand.domain.tee.known_breaks import enclave_notes
from poolhand.domain.trust import Trust
from poolhand.domain.units import parse_rlc

if TYPE_CHECKING:
    from poolhand.domain.orders.choosing import Bundle
    from poolhand.requester.claims import Claimed
    from poolhand.requester.session import Session, SessionDeal, Wished
    from poolhand.requester.wish import Wish

app = Noun()

_ADDRESS: Final = re.compile(r"0[xX][^/:]*")
"""Also one that is mistyped: no image of anybody's is called so."""

Target = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE|APP",
        help="An image, registered if need be (devnet/…: in the devnet's registry), or an app's "
        "address.",
    ),
]
Args = Annotated[
    str, typer.Option("--args", metavar="TEXT", help="Command line of the app, split at spaces.")
]
ArgWords = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="WORD", help="One argument exactly as it is; repeatable."),
]
Input = Annotated[
    list[str] | None, typer.Option("--input", metavar="URL", help="A file for the app; repeatable.")
]
EncryptFlag = Annotated[
    bool,
    typer.Option("--encrypt", help="Have the result encrypted to the beneficiary's key."),
]
SimulatedFlag = Annotated[
    bool,
    typer.Option(
        "--accept-simulated-tee",
        help="Let a confidential task run in simulated enclaves, which keep nothing secret.",
    ),
]
HostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        metavar="NAME[:PORT]",
        help="A host that the app is to reach, by https if no port says otherwise; a pool whose "
        "workers allow it is needed (--pool-url); repeatable.",
    ),
]
RunSecretOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NUMBER=NAME",
        help="A secret of yours (`poolhand secret push NAME`) that a confidential task is told as "
        "IEXEC_REQUESTER_SECRET_NUMBER; repeatable.",
    ),
]
RunDatasetOption = Annotated[str, typer.Option(metavar="ADDRESS", help="A dataset.")]
TrustOption = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Wanted confidence 1 - 1/N: 10 needs four agreeing workers."
    ),
]
Tasks = Annotated[int, typer.Option(min=1, metavar="N", help="How many equal tasks.")]
RunCategoryOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Of running time: 0 is up to 5 minutes.")
]
RunTagOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="NAME",
        help="A demand on the workers: gpu, or tee with scone, gramine or tdx; repeatable.",
    ),
]
Callback = Annotated[str, typer.Option(metavar="ADDRESS", help="A contract that gets the result.")]
Beneficiary = Annotated[str, typer.Option(metavar="ADDRESS", help="Whose the result is. [yours]")]
MaxPrice = Annotated[str, typer.Option(metavar="RLC", help="Most to pay for one task.")]
AppOrderFile = Annotated[str, typer.Option(metavar="FILE", help="Signed by the app's owner.")]
DataOrderFile = Annotated[str, typer.Option(metavar="FILE", help="Signed by the dataset's owner.")]
PoolOrderFile = Annotated[str, typer.Option(metavar="FILE", help="Instead of asking the pool.")]
PoolOption = Annotated[
    str, typer.Option(metavar="ADDRESS", help="The workerpool to buy from. [the cheapest]")
]
DepositFlag = Annotated[
    bool, typer.Option("--deposit", help="Deposit what the stake lacks, without asking.")
]
FollowFlag = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Follow the tasks to their end.")
]
OutputFlag = Annotated[
    bool,
    typer.Option("--follow", help="Show what the app prints as it comes; implies --wait."),
]
Download = Annotated[
    str, typer.Option(metavar="FOLDER", help="Download results there; implies --wait.")
]
AgainFlag = Annotated[
    bool, typer.Option("--again", help="Buy it although the same purchase is still open.")
]
BySignature = Annotated[
    bool | None,
    typer.Option(
        "--by-signature/--by-myself",
        help="Have the pool send the purchase, at its fee, so that you need no coin; or send it "
        "yourself. [by signature where that is for nothing]",
    ),
]
SponsorOption = Annotated[
    str,
    typer.Option(
        metavar="FILE|ADDRESS",
        help="A wallet whose stake pays the price and which sends the purchase, in your stead; of "
        "a devnet, an account's name too.",
    ),
]
SponsorPassword = Annotated[
    str, typer.Option(metavar="FILE", help="The sponsor's password; else it is asked for.")
]
Extract = Annotated[bool, typer.Option("--extract", help="Unpack what was downloaded.")]


@verb(
    app,
    "run",
    example='poolhand run devnet/poolhand/fractal:1.0 --args "--seed 3" --download .',
)
async def run(
    command: CommandRun,
    target: Target,
    args: Args = "",
    arg: ArgWords = None,
    input_: Input = None,
    host: HostOption = None,
    encrypt: EncryptFlag = False,
    accept_simulated_tee: SimulatedFlag = False,
    secret: RunSecretOption = None,
    dataset: RunDatasetOption = "",
    trust: TrustOption = 1,
    tasks: Tasks = 1,
    category: RunCategoryOption = 0,
    tag: RunTagOption = None,
    callback: Callback = "",
    beneficiary: Beneficiary = "",
    max_price: MaxPrice = "",
    pool: PoolOption = "",
    app_order: AppOrderFile = "",
    dataset_order: DataOrderFile = "",
    pool_order: PoolOrderFile = "",
    deposit: DepositFlag = False,
    again: AgainFlag = False,
    by_signature: BySignature = None,
    sponsor: SponsorOption = "",
    sponsor_password_file: SponsorPassword = "",
    wait: FollowFlag = True,
    follow_output: OutputFlag = False,
    claim: ClaimFlag = True,
    download: Download = "",
    extract: Extract = False,
) -> Answer:
    """Buy a computation: register the image, order, match, watch, download.

    A purchase that was interrupted is finished by the same command. While the same purchase of
    yours is open it is not bought again, unless you say --again. What is known to fail is refused
    before it is paid; what is not done by its final deadline is claimed back.

    The cheapest orders that fit are bought in the market (--market; a devnet has its own); what
    they cost is told first. With --pool-url the order is that pool's own. A pool that offers it
    sends the purchase: then your wallet signs, and needs no coin for gas.

    With --sponsor another wallet's stake pays, and that wallet sends: yours signs, and needs
    neither RLC nor coin. What failed tasks give back goes to the sponsor; results are yours.
    """
    from poolhand.cli.order_files import read_order
    from poolhand.cli.run_page import RunReport, run_answer

    terms: dict[str, Any] = {
        "dataset": optional_address(dataset) or ZERO_ADDRESS,
        "args": _arguments(args, arg or ()),
        "inputs": tuple(input_ or ()),
        "hosts": read_hosts(host or (), MOST_HOSTS),
        "encrypted": encrypt,
        "secrets": _secrets(secret or ()),
        "accepts_simulated_tee": accept_simulated_tee,
        "trust": Trust(trust),
        "tasks": tasks,
        "category": category,
        "tag": tag_of(tag or ()),
        "callback": optional_address(callback) or ZERO_ADDRESS,
        "beneficiary": optional_address(beneficiary),
        "max_price": parse_rlc(max_price) if max_price else None,
        "workerpool": optional_address(pool) or ZERO_ADDRESS,
        "app_order": read_order(AppOrder, app_order),
        "dataset_order": read_order(DatasetOrder, dataset_order),
        "workerpool_order": read_order(WorkerpoolOrder, pool_order),
    }
    waits = wait or follow_output or bool(download)
    paying = None
    if sponsor:
        from poolhand.requester.sponsoring import BadSponsor

        if by_signature:
            raise BadSponsor(
                "a pool sends what the buyer pays: leave --by-signature or --sponsor out"
            )
        paying = command.sponsor(sponsor, password_file=sponsor_password_file)
    async with command.session(signing=True) as session:
        _tell_prices(command, session)
        async with session.requester.spending():
            wished = await _wish(command, session, target, terms)
            deal = await session.buy(
                wished.wish,
                deposit=deposit,
                again=again,
                by_signature=by_signature,
                sponsor=paying,
            )
        _tell(command, deal)
        printing = _output_shown(command, deal) if follow_output else nullcontext()
        async with printing:
            claimed = (
                await _follow(command, deal, claim=claim, lively=not follow_output)
                if waits
                else None
            )
        if claimed is not None or not waits:
            await deal.look()
        results = await deal.download(Path(download), unpack=extract) if download else ()
    return run_answer(RunReport(deal, wished, results, waits, claimed))


def _arguments(text: str, words: Sequence[str]) -> str:
    """Return the command line: as typed, and then each word quoted as workers need it."""
    return " ".join(part for part in (text, join_arguments(words)) if part)


def _secrets(told: Sequence[str]) -> tuple[tuple[int, str], ...]:
    """Read the names of secrets by their numbers; raises BadWish."""
    from poolhand.requester.wish import BadWish

    found: dict[int, str] = {}
    for each in told:
        number, _, name = each.partition("=")
        if not (number.isascii() and number.isdigit() and name) or int(number) in found:
            raise BadWish(f"'{each[:60]}' names no secret by a number of its own: as in 1=api-key")
        found[int(number)] = name
    return tuple(sorted(found.items()))


async def _wish(
    command: CommandRun, session: Session, target: str, terms: dict[str, Any]
) -> Wished:
    """Make the wish, and say what the app will get before anything is bought."""
    from poolhand.cli.run_page import given_lines

    known = _ADDRESS.fullmatch(target)
    wished = await session.wish(Address.parse(target) if known else command.image(target), **terms)
    if wished.registered and wished.registered.is_new:
        command.note(f"registered {target} as app {wished.registered.address}")
    for line in (*given_lines(wished), *enclave_notes(wished.wish.tag, wished.wish.trust)):
        command.note(line)
    return wished


def _tell_prices(command: CommandRun, session: Session) -> None:
    """Have it said what a purchase would cost before anything is signed; the same once."""
    from poolhand.cli.run_page import offer_line

    said: set[str] = set()

    def tell(offer: Bundle, wish: Wish) -> None:
        line = offer_line(offer, wish.tasks)
        if line not in said:
            said.add(line)
            command.note(line)

    session.requester.offered.connect(tell)


def _tell(command: CommandRun, bought: SessionDeal) -> None:
    from poolhand.cli.render import rlc

    deal = bought.deal
    first = next(deal.tasks())[1]
    one = deal.bot_size == 1
    follow = f"poolhand task watch {first}" if one else f"poolhand deal watch {deal.deal_id}"
    command.farewell = f"deal {deal.deal_id} goes on without us: follow it with `{follow}`"
    is_found = bought.receipt is None and bought.sent_by is None
    told = "found the deal that was bought before" if is_found else "bought deal"
    command.note(f"{told} {deal.deal_id}: {deal.bot_size} task(s) at {rlc(deal.price)}")
    if deal.sponsor != deal.requester:
        command.note(f"{deal.sponsor} pays for it; what failed tasks give back is theirs")
    if bought.sent_by:
        command.note(f"the pool at {bought.sent_by} sent the purchase and paid its gas")
    if bought.why_not_by_pool:
        command.note(f"sent by this wallet, for the pool did not: {bought.why_not_by_pool}")


def _output_shown(command: CommandRun, deal: SessionDeal) -> AbstractAsyncContextManager[None]:
    """Show what a deal's tasks print while the block lasts."""
    from poolhand.cli.following import output_shown

    return output_shown(command, deal)


async def _follow(
    command: CommandRun, deal: SessionDeal, *, claim: bool, lively: bool
) -> Claimed | None:
    """Follow a deal to its end, and claim what is unfinished then."""
    await follow(command, deal.follow(), lambda: deal.progress, lively=lively)
    if not claim:
        return None
    by_hand = f"poolhand deal claim {deal.id}"
    return await claim_by_itself(command, deal.progress, by_hand, deal.claim_late)
