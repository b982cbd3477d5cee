"""``poolhand secret``: what your apps and your runs are told, and nobody else."""

from __future__ import annotations

from typing import Annotated

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.parts import SimulatedServiceFlag
from poolhand.cli.render import pairs
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.ids import Address
from poolhand.domain.sms_secret import SecretKind, SecretPlace

app = noun("Push secrets to apps and runs, and ask whether they are there.")

SecretNameArgument = Annotated[
    str, typer.Argument(metavar="[NAME]", help="A secret of your runs; of an app's leave it out.")
]
AppSecretOption = Annotated[
    str, typer.Option("--app", metavar="ADDRESS", help="The secret of this app of yours instead.")
]
ValueFileOption = Annotated[
    str, typer.Option("--file", metavar="FILE", help="Where the secret is; -: standard input. [-]")
]
OfRequesterOption = Annotated[
    str, typer.Option("--requester", metavar="ADDRESS", help="Whose. [yours]")
]


@verb(app, "push", example="poolhand secret push api-key --file key.txt")
async def push(
    command: CommandRun,
    name: SecretNameArgument = "",
    app_address: AppSecretOption = "",
    file: ValueFileOption = "-",
    accept_simulated_tee: SimulatedServiceFlag = False,
) -> Answer:
    """Push a secret, once: to your runs under a name, or to an app of yours."""
    from poolhand.cli.secret_texts import secret_text

    value = secret_text(file)
    async with command.requester(signing=True) as requester:
        place = _place(name, app_address, requester.wallet.address)
        url = await requester.secrets.push(
            place, value, requester.wallet.signer, accepts_simulated=accept_simulated_tee
        )
    members = {"kind": str(place.kind), "owner": str(place.owner), "name": place.name, "sms": url}
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "check", example="poolhand secret check api-key")
async def check(
    command: CommandRun,
    name: SecretNameArgument = "",
    app_address: AppSecretOption = "",
    requester_address: OfRequesterOption = "",
) -> Answer:
    """Tell whether a secret is there; exit code 1 where it is not."""
    async with command.requester(signing=not (app_address or requester_address)) as requester:
        whose = (
            Address.parse(requester_address or app_address)
            if requester_address or app_address
            else requester.wallet.address
        )
        found = await requester.secrets.has(_place(name, app_address, whose))
    return Answer({"is_there": found}, lambda: "there" if found else "not there", int(not found))


def _place(name: str, app_address: str, requester: Address) -> SecretPlace:
    if app_address:
        return SecretPlace(SecretKind.APP, Address.parse(app_address))
    return SecretPlace(SecretKind.REQUESTER, requester, name)
