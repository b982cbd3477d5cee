"""Computes the same on every worker, whatever happens to it; takes most of a second."""

import hashlib
import json
import os
import time
from pathlib import Path

out = Path(os.environ["IEXEC_OUT"])
time.sleep(0.8)
source = Path(os.environ["IEXEC_IN"], os.environ["IEXEC_INPUT_FILE_NAME_1"])
(out / "digest.txt").write_text(hashlib.sha256(source.read_bytes()).hexdigest())
(out / "computed.json").write_text(
    json.dumps({"deterministic-output-path": "/iexec_out/digest.txt"})
)
