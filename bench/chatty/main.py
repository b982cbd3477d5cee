"""Prints five lines a second for some time: an app as it looks to whoever watches it."""

import json
import os
import pathlib
import sys
import time

SECONDS = int(sys.argv[1])
LINES_PER_SECOND = 5

for number in range(SECONDS * LINES_PER_SECOND):
    print(f"step {number} of {SECONDS * LINES_PER_SECOND}", flush=True)
    time.sleep(1 / LINES_PER_SECOND)
out = pathlib.Path(os.environ["IEXEC_OUT"])
(out / "result.txt").write_text("told\n")
(out / "computed.json").write_text(
    json.dumps({"deterministic-output-path": "/iexec_out/result.txt"})
)
