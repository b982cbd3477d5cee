"""What an operator may change of a worker while it runs, and what of it contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.availability.schedule import ALWAYS, ALWAYS_OPEN, Schedule
from poolhand.domain.coin_price import PriceFeed
from poolhand.domain.doctor.machine import LEAST_DISK
from poolhand.domain.ids import Address
from poolhand.domain.notice_targets import MailServer, NoticeTargets
from poolhand.domain.payout import PayoutTerms
from poolhand.domain.units import DAY, NanoRlc, Seconds

IMAGES_KEPT: Final = 20 * 1024**3
"""Bytes of images that are kept where the operator has decided nothing."""
NOBODY: Final = frozenset[Address]()


@dataclass(frozen=True, slots=True)
class Preferences:
    """When and what a worker computes, for whom, and with how much of the machine.

    Attributes:
        schedule: The hours at which it takes tasks.
        least_reward: What a task must bring (nRLC), its gas taken off where ``coin_price`` tells
            what that is worth.
        hour_price: What it must bring besides for each hour for which it may compute (nRLC).
        coin_price: Of one coin of the chain (nRLC); 0: gas is not counted.
        price_feed: Where that is read; None: nowhere.
        price_age: For which such a price holds.
        only_requesters, only_apps: Whose tasks are taken, and of which apps; empty: anybody's, any.
        not_requesters, not_apps, not_registries: Whose and which are not, whatever else is said.
        task_cpus: Processors that one task may use.
        least_free_disk: Room that must be left on the worker's disk (bytes).
        image_cache, dataset_cache: What is kept of either for tasks to come (bytes).
        notify, mail_server: Where notices go, and which server takes e-mail.
        in_use_slots: Tasks at once while somebody uses the computer; None: as many as ever.
        in_use_cpus: Processors of one task meanwhile; None: as many as ever.
        idle_after: After which without input nobody does.
        pauses_on_battery: Whether nothing is begun while a battery feeds the computer.
        rest_while: Programs (in lower case) while one of which runs nothing is begun.
        hottest: Of the processors (°C), above which nothing is begun; None: it does not matter.
        payout: How much stake is kept, and how often the rest is paid out.
        download_rate, upload_rate: Of the data and results of tasks (bytes per second); 0: any.
    """

    schedule: Schedule = ALWAYS_OPEN
    least_reward: NanoRlc = NanoRlc(0)
    hour_price: NanoRlc = NanoRlc(0)
    coin_price: NanoRlc = NanoRlc(0)
    price_feed: PriceFeed | None = None
    price_age: Seconds = Seconds(6 * 3_600)
    only_requesters: frozenset[Address] = NOBODY
    not_requesters: frozenset[Address] = NOBODY
    only_apps: frozenset[Address] = NOBODY
    not_apps: frozenset[Address] = NOBODY
    not_registries: frozenset[str] = frozenset()
    task_cpus: float = 1.0
    least_free_disk: int = LEAST_DISK
    image_cache: int = IMAGES_KEPT
    dataset_cache: int = 0
    notify: NoticeTargets = NoticeTargets()
    mail_server: MailServer | None = None
    in_use_slots: int | None = None
    in_use_cpus: float | None = None
    idle_after: Seconds = Seconds(300)
    pauses_on_battery: bool = False
    rest_while: frozenset[str] = frozenset()
    hottest: float | None = None
    download_rate: int = 0
    upload_rate: int = 0
    payout: PayoutTerms = PayoutTerms(None, NanoRlc(1), DAY)

    @property
    def hours_a_week(self) -> float:
        """For how long it takes tasks, where nothing else keeps it from them."""
        return self.schedule.minutes_a_week / 60

    @property
    def watches_use(self) -> bool:
        """Whether it matters that somebody uses the computer."""
        return self.in_use_slots is not None or self.in_use_cpus is not None

    @property
    def watches_computer(self) -> bool:
        """Whether anything depends on how the computer is beside our work."""
        return (
            self.watches_use
            or self.pauses_on_battery
            or bool(self.rest_while)
            or self.hottest is not None
        )


def contradiction(
    wanted: Preferences, cpus: int | None = None, shortest: Seconds | None = None
) -> str | None:
    """Say why nothing would ever be computed, and who must change what; None: something may be.

    Args:
        wanted: What an operator has said.
        cpus: All that tasks can be given; None: nobody knows, as of a cluster.
        shortest: For which any task may compute; None: nobody knows, before the chain has told.
    """
    if not wanted.schedule.minutes_a_week:
        return (
            "with these settings the worker works 0 h a week: its schedule is "
            f"'{wanted.schedule.text}'; give it some hours or '{ALWAYS}', or let it rest for a "
            "while with `poolhand worker pause`"
        )
    longest = wanted.schedule.longest
    if shortest is not None and longest is not None and longest < shortest:
        return (
            f"with these settings the worker works 0 h a week: its hours ({wanted.schedule.text}) "
            f"last {longest // 60} min at most, and the shortest tasks may compute for "
            f"{-(-shortest // 60)} min: make them longer"
        )
    if cpus is not None and wanted.task_cpus > cpus:
        return (
            f"a task is to have {wanted.task_cpus:g} processors, and this computer has {cpus}: "
            f"set task-cpus to {cpus} at most"
        )
    if wanted.notify.mails and wanted.mail_server is None:
        return (
            f"notices are to go to {wanted.notify.mails[0]}, and no server takes e-mail: set "
            "notify-smtp=smtp://user:password@host, too"
        )
    for what, only, but in (
        ("requester", wanted.only_requesters, wanted.not_requesters),
        ("app", wanted.only_apps, wanted.not_apps),
    ):
        both = sorted(only & but, key=str)
        if both:
            return (
                f"{what} {both[0]} stands in only-{what}s and in not-{what}s: take it out of one "
                "of them"
            )
    return None
