"""Output folders as apps may leave them."""

from __future__ import annotations

import json
import os
import socket

from hypothesis import strategies as st

PLAIN = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/\\:"),
                min_size=1, max_size=12).filter(lambda part: part not in (".", ".."))  # fmt: skip
TREES = st.dictionaries(
    st.lists(PLAIN, min_size=1, max_size=3).map("/".join), st.binary(max_size=300), max_size=8
)


def grow(folder, files, order=iter):
    """Write files (path to content) in some order; what cannot be beside another is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in order(list(files)):
        place = folder / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files[name])
        except (NotADirectoryError, IsADirectoryError, FileExistsError):
            continue
    return folder


def computed(folder, path="/iexec_out/result.txt", **members):
    said = {"deterministic-output-path": path} | members
    (folder / "computed.json").write_text(json.dumps(said))


def add_oddities(folder):
    """Add one of each kind that is no file: links, a pipe, a socket."""
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / "folder-link").symlink_to("/etc")
    (folder / "dangling").symlink_to("/no/such/file")
    os.mkfifo(folder / "pipe")
    here = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(f"/proc/self/fd/{here}/socket")
    os.close(here)
