"""Options and arguments of ``poolhand fleet``."""

from __future__ import annotations

from typing import Annotated

import typer

WorkersOption = Annotated[int, typer.Option(min=0, metavar="N", help="How many workers.")]
FleetPoolOption = Annotated[
    str, typer.Option("--pool", metavar="URL", help="Where the pool answers.")
]
FleetOption = Annotated[
    str, typer.Option("--fleet", metavar="NAME", help="Which fleet. [the only one]")
]
SlotsOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Tasks at once of each. [CPUs shared among them]")
]
StakeOption = Annotated[
    str, typer.Option(metavar="RLC", help="Stake of each. [a task in each slot]")
]
CoinOption = Annotated[
    str, typer.Option(metavar="AMOUNT", help="Coin of each for gas. [of ten tasks]")
]
OverFlag = Annotated[bool, typer.Option("--oversubscribe", help="Let tasks share CPUs.")]
FleetWordsOption = Annotated[
    str,
    typer.Option(
        metavar="FILE", help="Its first line is the recovery phrase; '-': standard input."
    ),
]
WordsToOption = Annotated[
    str,
    typer.Option(metavar="FILE", help="Write a new recovery phrase there, instead of showing it."),
]
UnitsOption = Annotated[
    str, typer.Option(metavar="DIR", help="Write unit files for other machines there.")
]
ComposeOption = Annotated[
    str, typer.Option(metavar="FILE", help="Write a compose file for another machine there.")
]
YesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask; all of it is meant.")]
NoWaitFlag = Annotated[bool, typer.Option("--no-wait", help="Do not wait for it.")]
CheckFlag = Annotated[bool, typer.Option("--check", help="Show what there is, and no more.")]
NowFlag = Annotated[bool, typer.Option("--now", help="End at once, after a question.")]
PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")]
NamesArgument = Annotated[list[str], typer.Argument(metavar="WORKER…", help="Names, as listed.")]
CollectToOption = Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Who gets it.")]
KeepStakeOption = Annotated[
    str, typer.Option(metavar="RLC", help="Stake that stays in each. [as `fleet up` gave it]")
]
KeepCoinOption = Annotated[
    str, typer.Option(metavar="AMOUNT", help="Coin that stays in each. [as `fleet up` gave it]")
]
CollectAllFlag = Annotated[bool, typer.Option("--all", help="Leave nothing but what gas may cost.")]
ElsewhereFlag = Annotated[
    bool,
    typer.Option("--elsewhere-stopped", help="Those on other machines are stopped: collect, too."),
]
RunningFlag = Annotated[
    bool,
    typer.Option("--running", help="Those that run, too: each finishes, and starts again after."),
]
