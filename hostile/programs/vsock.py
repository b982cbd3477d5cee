"""Asks for sockets to the machine below, and to its kernel, past every network."""

from told import call, tell

FAMILIES = {"vsock": 40, "alg": 38, "packet": 17, "bluetooth": 31}
tell(
    answers={
        name: call("socket", family, 3 if name == "packet" else 1, 0)
        for name, family in FAMILIES.items()
    }
)
