"""Three seconds, then the same result everywhere: time enough to freeze the worker."""

import json
import os
import pathlib
import time

time.sleep(3)
out = pathlib.Path(os.environ["IEXEC_OUT"])
(out / "result.txt").write_text("the same everywhere\n")
(out / "computed.json").write_text(
    json.dumps({"deterministic-output-path": "/iexec_out/result.txt"})
)
