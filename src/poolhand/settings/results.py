"""What the operator of a results service decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.units import Seconds
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_options, chain_settings
from poolhand.settings.load import Option, Settings, address_or_none, size, web_url, whole
from poolhand.settings.storage import StorageChoice


@dataclass(frozen=True, slots=True)
class ResultsSettings:
    """One results service.

    Attributes:
        chain: Where the hub is.
        workerpool: Whose results are taken; None: any pool's.
        host, port: Where to listen; port 0: any free one.
        public_url: Under which requesters reach it, written into result links; None: host and
            port.
        folder: Where archives are kept, or the records of those that are kept elsewhere.
        storage: Where archives are kept.
        max_archive: Bytes of one archive.
        max_expanded: Bytes of all its files together.
        max_files: Files in one archive.
        max_ratio: How many times larger than the archive its files may be; the first 16 MiB of
            them are free.
        max_provisional: Archives kept for one task before the chain has decided.
        max_waiting: Bytes of one worker's archives for which the chain has not decided yet.
        max_stored: Bytes of all archives together; None: what the disk had free, less a tenth.
        max_inputs: Bytes of all files that requesters leave for workers; 0: none is taken.
        keep_inputs: How long such a file stays that nobody takes away.
        keep: How long a finalized result stays; None: for ever.
        sms_url: Of the service that keeps beneficiaries' keys; empty: they are kept here.
        sweep: Between two rounds of tidying up.
    """

    chain: ChainSettings
    workerpool: Address | None = None
    host: str = "127.0.0.1"
    port: int = 13200
    public_url: str | None = None
    folder: Path = Path("results")
    storage: StorageChoice = StorageChoice()
    max_archive: int = 1024**3
    max_expanded: int = 4 * 1024**3
    max_files: int = 10_000
    max_ratio: int = 200
    max_provisional: int = 8
    max_waiting: int = 8 * 1024**3
    max_stored: int | None = None
    max_inputs: int = 4 * 1024**3
    keep_inputs: Seconds = Seconds(3 * 24 * 3600)
    keep: Seconds | None = None
    sms_url: str = ""
    sweep: Seconds = Seconds(600)


def _size_or_all(text: str) -> int | None:
    return None if text == "0" else size(text)


RESULTS_OPTIONS: Final[tuple[Option, ...]] = (
    Option("pool-address", "POOL_ADDRESS", address_or_none, "",
           "workerpool whose results are taken; empty: any pool's"),
    Option("host", "POOLHAND_HOST", str, "127.0.0.1", "address to listen on"),
    Option("port", "POOLHAND_RESULTS_PORT", whole(0, 65_535), "13200",
           "port to listen on; 0: any free one"),
    Option("public-url", "POOLHAND_RESULTS_URL", web_url, "",
           "URL under which requesters reach it, written on chain; empty: where it listens"),
    Option("folder", "POOLHAND_RESULTS_FOLDER", Path, "results",
           "where archives are kept, or their records if they are kept elsewhere"),
    Option("storage", "POOLHAND_STORAGE", StorageChoice.parse, "disk",
           "where archives are kept: disk (the folder), "
           "s3://BUCKET/PREFIX?endpoint=URL&region=NAME, "
           "or ipfs+http://HOST:PORT (the RPC of an IPFS node, Kubo)"),
    Option("storage-credentials", "POOLHAND_STORAGE_CREDENTIALS", str, "",
           "file that its owner alone may read, as ~/.aws/credentials: [default] with "
           "aws_access_key_id and aws_secret_access_key, or [ipfs] with authorization"),
    Option("max-archive", "POOLHAND_MAX_ARCHIVE", size, "1g", "largest archive"),
    Option("max-expanded", "POOLHAND_MAX_EXPANDED", size, "4g", "largest archive, unpacked"),
    Option("max-files", "POOLHAND_MAX_FILES", whole(1), "10000", "files in one archive"),
    Option("max-waiting", "POOLHAND_MAX_WAITING", size, "8g",
           "archives of one worker for which the chain has not decided yet"),
    Option("max-stored", "POOLHAND_MAX_STORED", _size_or_all, "0",
           "all archives together; 0: what the disk had free at the start, less a tenth"),
    Option("max-inputs", "POOLHAND_MAX_INPUTS", size, "4g",
           "files that requesters leave for workers, all together; 0: none is taken; where all is "
           "taken, unbought files make way for those of requesters with more at stake"),
    Option("keep-inputs", "POOLHAND_KEEP_INPUTS", whole(3600), "259200",
           "seconds that such a file is kept which nobody takes away"),
    Option("keep", "POOLHAND_KEEP_RESULTS", whole(0), "0",
           "seconds that a finalized result is kept; 0: for ever"),
    Option("sms-url", "IEXEC_SMS_URL", web_url, "",
           "URL of the secret management service that keeps the keys of encrypted results; empty: "
           "they are kept here"),
    *chain_options(),
)  # fmt: skip
"""Every setting of a results service."""


def results_settings(found: Settings) -> ResultsSettings:
    """Return the typed settings from values of ``RESULTS_OPTIONS``.

    Raises:
        BadSetting: Something that does not fit together.
    """
    return ResultsSettings(
        chain=chain_settings(found),
        workerpool=found["pool-address"],
        host=found["host"],
        port=found["port"],
        public_url=found["public-url"] or None,
        folder=found["folder"],
        storage=found["storage"].with_credentials(found["storage-credentials"]),
        max_archive=found["max-archive"],
        max_expanded=found["max-expanded"],
        max_files=found["max-files"],
        max_waiting=found["max-waiting"],
        max_stored=found["max-stored"],
        max_inputs=found["max-inputs"],
        keep_inputs=Seconds(found["keep-inputs"]),
        keep=Seconds(found["keep"]) or None,
        sms_url=found["sms-url"],
    )
