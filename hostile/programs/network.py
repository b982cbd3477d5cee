"""Calls the machine at each of its addresses, the clouds' metadata service, and a stranger."""

import os
import socket

from told import refused, tell

port = int(os.environ["HOSTILE_PORT"])
places = [(host, port) for host in os.environ["HOSTILE_HOSTS"].split(",")]
places += [("169.254.169.254", 80), ("192.0.2.1", 443)]
reached, why = [], set()
for place in places:
    try:
        socket.create_connection(place, 2).close()
        reached.append(place[0])
    except OSError as fault:
        why.add(refused(fault))
tell(
    reached=reached,
    refused=sorted(why),
    interfaces=sorted(os.listdir("/sys/class/net")) if os.path.isdir("/sys/class/net") else [],
)
