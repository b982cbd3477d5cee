"""A result as a Python program wants it: bytes of files, or a folder; checked against the chain."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from poolhand.client.errors import NoSuchFile
from poolhand.domain.computed import COMPUTED_FILE, Computed
from poolhand.domain.ids import ResultDigest, TaskId
from poolhand.domain.text import shown
from poolhand.requester.archive import encrypted_digest, extract
from poolhand.requester.results import open_encrypted

_MOST_FILES_NAMED: Final = 20
"""Files of a result that are named where another is asked for."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What one task has computed; its digest is the one that the workers agreed on, on chain.

    Attributes:
        index: Of the task within its deal's orders.
        task_id: Which task.
        digest: On chain.
        archive: The ZIP file; it lasts as long as this object where no folder was named.
    """

    index: int
    task_id: TaskId
    digest: ResultDigest
    archive: Path
    _kept: object = field(default=None, repr=False, compare=False)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that the app left in ``/iexec_out``."""
        with zipfile.ZipFile(self.archive) as opened:
            return tuple(each.filename for each in opened.infolist() if not each.is_dir())

    @property
    def is_encrypted(self) -> bool:
        """Whether only its beneficiary can read it: then ``decrypt`` comes first."""
        return encrypted_digest(self.archive) is not None

    def decrypt(self, key: str | Path) -> TaskResult:
        """Return the result as it was before it was encrypted, compared to the digest on chain.

        Args:
            key: File of the private key (PEM), as ``poolhand results keypair`` writes it.

        Raises:
            UnfitResultKey, ResultNotOpened: The key does not open it.
            ResultForged: It holds something else than it says; nothing is kept.
            TargetExists: It was decrypted before: the file beside the archive is there already.
        """
        target = self.archive.with_name(f"{self.archive.stem}.decrypted.zip")
        open_encrypted(self.archive, target, Path(key).read_bytes())
        return replace(self, archive=target)

    def read(self, name: str) -> bytes:
        """Return the content of a file; raises NoSuchFile."""
        with zipfile.ZipFile(self.archive) as opened:
            try:
                return opened.read(name)
            except KeyError:
                had = ", ".join(self.files[:_MOST_FILES_NAMED])
            raise NoSuchFile(
                shown(f"the result of task {self.index} has no file '{name[:200]}': it has {had}")
            )

    def text(self, name: str) -> str:
        """Return the content of a file of UTF-8; raises NoSuchFile, UnicodeDecodeError."""
        return self.read(name).decode()

    @property
    def output(self) -> bytes:
        """The content of the file by which workers agreed; raises NoSuchFile where it is a folder.

        For a deal with a callback contract it is the bytes that the contract got.
        """
        computed = Computed.parse(self.read(COMPUTED_FILE))
        if computed.path is None:
            return computed.callback_data or b""
        return self.read(computed.inside)

    def save(self, folder: str | Path) -> Path:
        """Unpack all of it into a folder that does not exist yet, and return that.

        Raises:
            TargetExists: It is there; nothing was written.
        """
        target = Path(folder)
        extract(self.archive, target)
        return target
