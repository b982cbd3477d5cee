"""What the operator of a secret management service decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from poolhand.domain.tee.evidence import QuotePolicy
from poolhand.domain.units import Seconds
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_options, chain_settings
from poolhand.settings.home import at_home
from poolhand.settings.load import BadSetting, Option, Settings, web_url, whole, words
from poolhand.settings.tee import QUOTE_OPTIONS, quote_policy_of, simulated_tee_file

FRAMEWORKS: Final = ("tdx", "scone", "gramine")
"""Each has a store of its own, under a URL of its own."""
DEFAULT_SMS_PORT: Final = 13300


@dataclass(frozen=True, slots=True)
class MasterKeySource:
    """Where the master key is; one of them is told.

    Attributes:
        file: That has it, outside of the service's folder.
        text: The key itself.
        command: Prints it.
    """

    file: Path | None = None
    text: str = field(default="", repr=False)
    command: str = ""


@dataclass(frozen=True, slots=True)
class SecretsAddress:
    """Where secrets are, and what opens them.

    Attributes:
        folder: Of the database, if that is a file; never of the master key.
        database: URL, as SQLAlchemy has it.
        master: Where the master key is.
    """

    folder: Path
    database: str
    master: MasterKeySource


@dataclass(frozen=True, slots=True)
class SmsSettings:
    """One secret management service.

    Attributes:
        chain: Where the hub is.
        secrets: Where its secrets are.
        host: Where to listen.
        stores: Frameworks whose secrets are kept, and the port of each; port 0: any free one.
        public_url: Under which the first store is reached; empty: host and port.
        most_requests: Of one client in ``rate_window``; 0: any number.
        most_changes: Secrets that one address sets in ``rate_window``; 0: any number.
        rate_window: How long requests are counted together.
        most_secrets: That are kept in all.
        tee_properties: File that tells what runs before and after apps, by framework; None: no
            session is opened.
        simulated_tee: File of a simulated root of trust, whose quotes are taken; None: only
            hardware proves anything.
        pccs_url: Service that gives what Intel's quotes are judged by; empty: none of them counts.
        quotes: What is asked of every quote, measurements aside.
        guests: Measurements (MRTD) of TDX guests in which any app is let.
        ipfs_gateways: Asked in order for bulks of datasets.
    """

    chain: ChainSettings
    secrets: SecretsAddress
    host: str = "127.0.0.1"
    stores: tuple[tuple[str, int], ...] = (("tdx", DEFAULT_SMS_PORT),)
    public_url: str = ""
    most_requests: int = 600
    most_changes: int = 60
    rate_window: Seconds = Seconds(60)
    most_secrets: int = 1_000_000
    tee_properties: Path | None = None
    simulated_tee: Path | None = None
    pccs_url: str = ""
    quotes: QuotePolicy = QuotePolicy()
    guests: tuple[bytes, ...] = ()
    ipfs_gateways: tuple[str, ...] = ()


def _frameworks(text: str) -> tuple[str, ...]:
    found = tuple(each.strip().lower() for each in text.split(","))
    if len(set(found)) != len(found) or not set(found) <= set(FRAMEWORKS):
        raise ValueError(f"some of {', '.join(FRAMEWORKS)}, each once, with commas between them")
    return found


def _ports(text: str) -> tuple[int, ...]:
    return tuple(whole(0, 65_535)(each.strip()) for each in text.split(","))


def _measurements(text: str) -> tuple[bytes, ...]:
    found = tuple(bytes.fromhex(each.strip()) for each in text.split(",") if each.strip())
    if any(len(each) != 48 for each in found):
        raise ValueError("a measurement of a TDX guest has 96 hexadecimal digits")
    return found


MASTER_KEY_OPTIONS: Final[tuple[Option, ...]] = (
    Option("folder", "POOLHAND_SMS_FOLDER", Path, "sms", "where secrets are kept, encrypted"),
    Option("database", "POOLHAND_SMS_DATABASE", str, "",
           "where secrets are kept instead: sqlite:///FILE or postgresql://USER@HOST/NAME"),
    Option("master-key-file", "POOLHAND_SMS_MASTER_KEY_FILE", str, "",
           "file with the master key (64 hexadecimal digits), outside of the folder"),
    Option("master-key", "POOLHAND_SMS_MASTER_KEY", str, "",
           "the master key itself; as a flag it can be read by others of this machine",
           secret=True),
    Option("master-key-command", "POOLHAND_SMS_MASTER_KEY_COMMAND", str, "",
           "command that prints the master key, such as one of a key management service"),
)  # fmt: skip
"""Where secrets lie, and what opens them."""
SMS_OPTIONS: Final[tuple[Option, ...]] = (
    Option("host", "POOLHAND_HOST", str, "127.0.0.1", "address to listen on"),
    Option("port", "POOLHAND_SMS_PORT", _ports, str(DEFAULT_SMS_PORT),
           "port to listen on, one for each framework, with commas between them; 0: any free one"),
    Option("framework", "POOLHAND_SMS_FRAMEWORK", _frameworks, "tdx",
           "whose secrets are kept: tdx, scone or gramine; of several each has its own port"),
    Option("public-url", "POOLHAND_SMS_URL", web_url, "",
           "URL under which the first framework's secrets are reached; empty: where it listens"),
    *MASTER_KEY_OPTIONS,
    Option("max-requests", "POOLHAND_SMS_MAX_REQUESTS", whole(0), "600",
           "requests of one client in the time of `rate-window`; 0: any number"),
    Option("max-changes", "POOLHAND_SMS_MAX_CHANGES", whole(0), "60",
           "secrets that one address sets in the time of `rate-window`; 0: any number"),
    Option("rate-window", "POOLHAND_RATE_WINDOW", whole(1), "60",
           "seconds in which the requests of one client are counted"),
    Option("max-secrets", "POOLHAND_SMS_MAX_SECRETS", whole(1), "1000000",
           "secrets that are kept in all"),
    Option("tee-properties", "POOLHAND_SMS_TEE_PROPERTIES", str, "",
           "JSON file of what runs before and after apps in each framework, as GET "
           "/tee/properties/{framework} answers it; empty: no session is opened"),
    Option("simulated-tee", "POOLHAND_SMS_SIMULATED_TEE", str, "",
           "file of a SIMULATED root of trust whose quotes are taken: it protects nothing; "
           "empty: only hardware proves anything"),
    *QUOTE_OPTIONS,
    Option("tdx-guests", "POOLHAND_SMS_TDX_GUESTS", _measurements, "",
           "measurements (MRTD, 96 hexadecimal digits) of TDX guests in which apps run, with "
           "commas between them"),
    Option("ipfs-gateways", "POOLHAND_IPFS_GATEWAYS", words,
           "https://ipfs-gateway.v8-bellecour.iex.ec,https://gateway.ipfs.io",
           "gateways that are asked for bulks of datasets, separated by commas"),
    *chain_options(),
)  # fmt: skip
"""Every setting of a secret management service."""


def sms_settings(found: Settings) -> SmsSettings:
    """Return the typed settings from values of ``SMS_OPTIONS``.

    Raises:
        BadSetting: Something that does not fit together.
    """
    frameworks, ports = found["framework"], found["port"]
    if len(frameworks) != len(ports):
        raise BadSetting(
            f"there are {len(frameworks)} frameworks and {len(ports)} ports: name one port for each"
        )
    return SmsSettings(
        chain=chain_settings(found),
        secrets=SecretsAddress(
            at_home(found["folder"]), database_url(found), master_key_source(found)
        ),
        host=found["host"],
        stores=tuple(zip(frameworks, ports, strict=True)),
        public_url=found["public-url"],
        most_requests=found["max-requests"],
        most_changes=found["max-changes"],
        rate_window=Seconds(found["rate-window"]),
        most_secrets=found["max-secrets"],
        tee_properties=at_home(found["tee-properties"]) if found["tee-properties"] else None,
        simulated_tee=simulated_tee_file(found),
        pccs_url=found["pccs-url"],
        quotes=quote_policy_of(found),
        guests=found["tdx-guests"],
        ipfs_gateways=found["ipfs-gateways"],
    )


def database_url(found: Settings) -> str:
    """Return where secrets are kept."""
    return found["database"] or f"sqlite:///{at_home(found['folder']) / 'sms.db'}"


def master_key_source(found: Settings) -> MasterKeySource:
    """Return where the master key is.

    Raises:
        BadSetting: None is told, or more than one.
    """
    file, text = found["master-key-file"], found["master-key"]
    command = found["master-key-command"]
    if sum(map(bool, (file, text, command))) != 1:
        raise BadSetting(
            "the master key is told in one way: --master-key-file, $POOLHAND_SMS_MASTER_KEY or "
            "--master-key-command; `poolhand sms new-key FILE` makes one"
        )
    return MasterKeySource(at_home(file) if file else None, text, command)
