"""Prints the time: five lines a second (``steps``), or as many as it can (``flood``)."""

import json
import os
import pathlib
import sys
import time

kind, seconds = sys.argv[1], float(sys.argv[2])
ends = time.time() + seconds
while (now := time.time()) < ends:
    print(f"{kind} {now:.6f}", flush=kind == "steps")
    if kind == "steps":
        time.sleep(0.2)
out = pathlib.Path(os.environ["IEXEC_OUT"])
(out / "result.txt").write_text("told\n")
(out / "computed.json").write_text(
    json.dumps({"deterministic-output-path": "/iexec_out/result.txt"})
)
