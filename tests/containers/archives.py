"""Archives of any content, for layers of images."""

from __future__ import annotations

import hashlib
import io
import tarfile


def entry(name, kind=tarfile.REGTYPE, content=b"", target="", mode=0o644):
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname, member.mode = kind, len(content), target, mode
    return member, content


def packed(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def named(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
