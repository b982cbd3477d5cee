"""Result archives."""

from __future__ import annotations

import zipfile
from pathlib import Path


def pack(folder: Path, archive: Path) -> None:
    """Zip a folder."""
    with zipfile.ZipFile(archive, "w") as made:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                made.writestr(zipfile.ZipInfo(str(file.relative_to(folder))), file.read_bytes())
