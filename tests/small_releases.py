"""What a pool gives to workers, with a wheel so small that it is installed in seconds."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from io import BytesIO

from local_http import Handler, serving
from poolhand.keys.wallet import Wallet
from poolhand.scheduler.joining.join_files import JoinPlace, JoinSet, join_set
from poolhand.scheduler.joining.own_wheel import WHEEL_NAME, OwnWheel

OWNER = Wallet.from_key(bytes([2] * 32))
INFO = WHEEL_NAME.partition("-py3")[0] + ".dist-info"
VERSION = INFO.split("-")[1].removesuffix(".dist-info")
HANDED = """
import os, sys
def main():
    with open(os.environ["HANDED"], "a") as file:
        file.write(" ".join(sys.argv[1:]) + "\\n")
"""
"""A program that writes down what the script hands over to it."""
SAYS = """
def main():
    print("poolhand {says}")
"""
"""A program that says a version."""


def small_wheel(program=HANDED):
    """Return a wheel whose command is a program."""
    written = BytesIO()
    members = {
        "poolhand.py": program,
        f"{INFO}/METADATA": f"Metadata-Version: 2.1\nName: poolhand\nVersion: {VERSION}\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/entry_points.txt": "[console_scripts]\npoolhand = poolhand:main\n",
    }
    record = "".join(f"{name},,\n" for name in [*members, f"{INFO}/RECORD"])
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in {**members, f"{INFO}/RECORD": record}.items():
            archive.writestr(name, text)
    return OwnWheel(WHEEL_NAME, written.getvalue())


def released(place: JoinPlace, version: str, says: str | None = None, signer=OWNER) -> JoinSet:
    """Return the files of a pool for a version, whose program says that it is this one or another."""
    made = join_set(place, signer, small_wheel(SAYS.format(says=says or version)), lock="")
    manifest = made.manifest.model_copy(update={"version": version})
    signature = "0x" + signer.sign_message(manifest.message).hex()
    signed = manifest.model_copy(update={"signature": signature})
    return JoinSet(
        signed, made.wheel, made.requirements, made.script, made.docker, made.windows_script
    )


def serve(served, made: JoinSet) -> None:
    """Have a front give the files of a pool."""
    manifest = made.manifest
    served["/join/manifest.json"] = manifest.model_dump_json().encode()
    served[manifest.wheel.path] = made.wheel
    served[manifest.requirements.path] = made.requirements
    served[manifest.script.path] = made.script


@contextmanager
def front():
    """Serve files by their paths; gives them, and the address."""
    served = {}

    class Answers(Handler):
        def do_GET(self):  # noqa: N802 - the name that is called
            body = served.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

    with serving(Answers) as url:
        yield served, url
