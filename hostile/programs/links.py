"""Leaves links that lead out of the result: whoever packs it would read the machine's files."""

import os

from told import refused, tell

out, secret, made = "/iexec_out", os.environ["HOSTILE_SECRET"], []
for name, target in {
    "result.txt": secret, "up": f"../../../../../../../..{secret}", "root": "/", "folder": "..",
    "loop": "loop", "stdout.txt": secret, "computed.json": secret, ".poolhand.part": secret,
}.items():  # fmt: skip
    os.symlink(target, f"{out}/{name}")
    made.append(name)
why = ""
for source in ("/etc/passwd", "/proc/1/environ"):
    try:
        os.link(source, f"{out}/hard")
        made.append("hard")
    except OSError as fault:
        why = refused(fault)
try:
    os.mkfifo(f"{out}/pipe")
    made.append("pipe")
except OSError as fault:  # the shared folder of a virtual machine has none
    why = why or refused(fault)
tell(made=made, refused=why)
