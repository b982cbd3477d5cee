"""Settings that a running worker takes up at once: by order, from its page, or by its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from poolhand.domain.availability.moments import parse_duration
from poolhand.domain.availability.preferences import Preferences, contradiction
from poolhand.domain.availability.schedule import parse_schedule
from poolhand.domain.coin_price import parse_price_feed
from poolhand.domain.doctor.machine import LEAST_DISK
from poolhand.domain.ids import Address
from poolhand.domain.notice_targets import parse_mail_server, parse_targets
from poolhand.domain.payout import PayoutTerms
from poolhand.domain.units import ALL_RLC, NanoRlc, Seconds, parse_rlc, show_rlc
from poolhand.settings.load import BadSetting, Option, address, fraction, size, whole, words

CHANGES_FILE: Final = "settings.toml"
"""In a worker's folder: what was changed while it ran; it wins over all that it is started with."""

MOST_PROGRAMS: Final = 64
"""That an operator may name in ``rest-while``."""
LEAST_RATE: Final = 16 * 1024
"""Bytes per second: with less hardly a task would end in its time."""
MOST_RATE: Final = 1024**4
"""Bytes per second, more than any line has."""


def _addresses(text: str) -> frozenset[Address]:
    return frozenset(map(address, words(text)))


def _registries(text: str) -> frozenset[str]:
    return frozenset(each.lower() for each in words(text))


def _cpus(text: str) -> float:
    value = fraction(text)
    if not 0.01 <= value <= 1024:
        raise ValueError("it must be between 0.01 and 1024")
    return value


def _cpus_or_none(text: str) -> float | None:
    return _cpus(text) if text.strip() else None


def _in_use(text: str) -> int | None:
    word = text.strip().lower()
    if word == "work":
        return None
    if word == "pause":
        return 0
    if not word.isdecimal():
        raise ValueError("write work, pause, or a number of tasks")
    return whole(0, 65_535)(word)


def _on_battery(text: str) -> bool:
    word = text.strip().lower()
    if word not in {"work", "pause"}:
        raise ValueError("write work or pause")
    return word == "pause"


def _programs(text: str) -> frozenset[str]:
    names = frozenset(each.lower().removesuffix(".exe") for each in words(text))
    if any("/" in each or "\\" in each for each in names):
        raise ValueError("write names of programs, without folders")
    if len(names) > MOST_PROGRAMS:
        raise ValueError(f"name {MOST_PROGRAMS} programs at most")
    return names


def _celsius(text: str) -> float | None:
    if not text.strip():
        return None
    value = fraction(text)
    if not 30 <= value <= 110:
        raise ValueError("it must be between 30 and 110 °C")
    return value


def _room(text: str) -> int:
    value = size(text)
    if value < LEAST_DISK:
        raise ValueError(f"it must be at least {LEAST_DISK // 2**20}m")
    return value


def _rate(text: str) -> int:
    value = size(text)
    if 0 < value < LEAST_RATE:
        raise ValueError(f"it must be 0, or at least {LEAST_RATE // 1024}k")
    if value > MOST_RATE:
        raise ValueError(f"it must be at most {MOST_RATE // 1024**3}g; 0: as fast as it gets")
    return value


def _rlc_or_none(text: str) -> NanoRlc | None:
    return _rlc(text) if text.strip() else None


def _some_rlc(text: str) -> NanoRlc:
    value = _rlc(text)
    if value <= 0:
        raise ValueError("it must be more than 0")
    return value


def _rlc(text: str) -> NanoRlc:
    value = parse_rlc(text)
    if value > ALL_RLC:
        raise ValueError(f"it must be at most {show_rlc(ALL_RLC)} RLC: there are no more")
    return value


LIVE_OPTIONS: Final[tuple[Option, ...]] = (
    Option("schedule", "POOLHAND_SCHEDULE", parse_schedule, "always",
           "hours at which tasks are taken, by this computer's clock: weekdays 22:00-07:00, "
           "weekend all day; always: at all hours"),
    Option("least-reward", "POOLHAND_LEAST_REWARD", _rlc, "0",
           "RLC that a task must bring this worker at least, what its gas is worth taken off"),
    Option("hour-price", "POOLHAND_HOUR_PRICE", _rlc, "0",
           "RLC that it must bring besides for each hour for which its category lets it compute"),
    Option("coin-price", "POOLHAND_COIN_PRICE", _rlc, "0",
           "RLC that one coin of the chain (gas is paid in it) is worth; 0: gas is not counted"),
    Option("coin-price-from", "POOLHAND_COIN_PRICE_FROM", parse_price_feed, "",
           "where that is read instead: an address that answers with JSON, and the place of the "
           "coin's price in it, and of RLC's in the same currency: https://prices.example/v1 "
           "/ethereum/usd /iexec-rlc/usd", secret=True),
    Option("coin-price-age", "POOLHAND_COIN_PRICE_AGE", parse_duration, "6h",
           "time for which such a price holds; after it coin-price does, and where that is 0 "
           "nothing is taken until a price is read"),
    Option("only-requesters", "POOLHAND_ONLY_REQUESTERS", _addresses, "",
           "addresses whose tasks are taken, separated by commas; empty: anybody's"),
    Option("not-requesters", "POOLHAND_NOT_REQUESTERS", _addresses, "",
           "addresses whose tasks are not taken"),
    Option("only-apps", "POOLHAND_ONLY_APPS", _addresses, "",
           "addresses of the apps that are run; empty: any"),
    Option("not-apps", "POOLHAND_NOT_APPS", _addresses, "", "addresses of apps that are not run"),
    Option("not-registries", "POOLHAND_NOT_REGISTRIES", _registries, "",
           "image registries from which nothing is run: docker.io,host:port"),
    Option("task-cpus", "POOLHAND_TASK_CPUS", _cpus, "1",
           "processors that one task may use, in parts if you like: 0.5"),
    Option("in-use", "POOLHAND_IN_USE", _in_use, "work",
           "tasks at once while somebody uses this computer: work: as many as ever; pause: nothing "
           "is begun; or a number"),
    Option("in-use-cpus", "POOLHAND_IN_USE_CPUS", _cpus_or_none, "",
           "processors of one task meanwhile, of those that run already as well; empty: as ever"),
    Option("idle-after", "POOLHAND_IDLE_AFTER", parse_duration, "5m",
           "time without input after which nobody uses this computer"),
    Option("on-battery", "POOLHAND_ON_BATTERY", _on_battery, "work",
           "while a battery feeds this computer: work, or pause: nothing is begun"),
    Option("rest-while", "POOLHAND_REST_WHILE", _programs, "",
           "programs while one of which runs nothing is begun, by their names in the system's list "
           "of processes, separated by commas: blender,steam"),
    Option("hottest", "POOLHAND_HOTTEST", _celsius, "",
           "temperature of the processors (°C) above which nothing is begun until it is 5 below "
           "that: 85; empty: it does not matter"),
    Option("notify", "POOLHAND_NOTIFY", parse_targets, "",
           "where this worker tells that it is out of gas, has lost stake, is outdated or off: "
           "desktop, https://… (a webhook), mailto:you@example.com, separated by commas",
           secret=True),
    Option("notify-smtp", "POOLHAND_NOTIFY_SMTP", parse_mail_server, "",
           "server that takes e-mail: smtp://user:password@host:587, or smtps:// with TLS from the "
           "start",
           secret=True),
    Option("least-free-disk", "POOLHAND_LEAST_FREE_DISK", _room, "16m",
           "room that is left on the worker's disk: with less free, nothing new is taken"),
    Option("image-cache", "POOLHAND_IMAGE_CACHE", size, "20g",
           "images that this worker has pulled and no task wants are kept up to this size; the "
           "engine's other images are nobody's to remove"),
    Option("dataset-cache", "POOLHAND_DATASET_CACHE", size, "0",
           "datasets are kept up to this size for the next task that has them; 0: none is"),
    Option("download-rate", "POOLHAND_DOWNLOAD_RATE", _rate, "0",
           "bytes per second that the data of all tasks come with (2m); 0: as fast as it gets. "
           "Images come through the engine, which has no such limit"),
    Option("upload-rate", "POOLHAND_UPLOAD_RATE", _rate, "0",
           "bytes per second that results of tasks leave with; 0: as fast as it gets"),
    Option("payout-keep", "POOLHAND_PAYOUT_KEEP", _rlc_or_none, "",
           "RLC of stake, free and locked, that stays on the hub; what is above it is paid out to "
           "payout-address; empty: nothing is paid out"),
    Option("payout-least", "POOLHAND_PAYOUT_LEAST", _some_rlc, "1",
           "RLC of one payment at least: each costs gas"),
    Option("payout-every", "POOLHAND_PAYOUT_EVERY", parse_duration, "1d",
           "time between two payments at least"),
)  # fmt: skip
"""Every setting that may be changed while a worker runs."""
LIVE_BY_KEY: Final[Mapping[str, Option]] = {option.key: option for option in LIVE_OPTIONS}


class NotLive(BadSetting):
    """A setting that is read when a worker starts, and then no more."""


def preferences_of(
    found: Mapping[str, Any], cpus: int | None = None, shortest: Seconds | None = None
) -> Preferences:
    """Return what settings come to together.

    Args:
        found: Values of ``LIVE_OPTIONS``, by key.
        cpus: All that tasks can be given; None: nobody knows.
        shortest: For which any task may compute; None: nobody knows.

    Raises:
        BadSetting: They contradict one another; the message says who must change what.
    """
    wanted = Preferences(
        schedule=found["schedule"],
        least_reward=found["least-reward"],
        hour_price=found["hour-price"],
        coin_price=found["coin-price"],
        price_feed=found["coin-price-from"],
        price_age=found["coin-price-age"],
        only_requesters=found["only-requesters"],
        not_requesters=found["not-requesters"],
        only_apps=found["only-apps"],
        not_apps=found["not-apps"],
        not_registries=found["not-registries"],
        task_cpus=found["task-cpus"],
        image_cache=found["image-cache"],
        dataset_cache=found["dataset-cache"],
        notify=found["notify"],
        mail_server=found["notify-smtp"],
        in_use_slots=found["in-use"],
        in_use_cpus=found["in-use-cpus"],
        idle_after=found["idle-after"],
        pauses_on_battery=found["on-battery"],
        rest_while=found["rest-while"],
        hottest=found["hottest"],
        least_free_disk=found["least-free-disk"],
        download_rate=found["download-rate"],
        upload_rate=found["upload-rate"],
        payout=PayoutTerms(found["payout-keep"], found["payout-least"], found["payout-every"]),
    )
    told = contradiction(wanted, cpus, shortest)
    if told is not None:
        raise BadSetting(told)
    return wanted


def check_live(keys: Iterable[str], started_with: Mapping[str, Option]) -> None:
    """Check that settings may be changed while a worker runs.

    Args:
        keys: Names, as typed.
        started_with: Every setting of a worker.

    Raises:
        NotLive: One is read at the start alone.
        BadSetting: There is none of a name.
    """
    for key in keys:
        if key in LIVE_BY_KEY:
            continue
        if (known := started_with.get(key)) is not None:
            raise NotLive(
                f"{key} is read when a worker starts: start it again with --{key} or "
                f"{known.variable}; while it runs these can be changed: {', '.join(LIVE_BY_KEY)}"
            )
        raise BadSetting(
            f"there is no setting '{key[:60]}'; while a worker runs these can be changed: "
            f"{', '.join(LIVE_BY_KEY)}"
        )
