"""An app that computes nothing: what is left is the network's own time."""

import json
import os
import pathlib

out = pathlib.Path(os.environ["IEXEC_OUT"])
(out / "result.txt").write_text("done\n")
(out / "computed.json").write_text(
    json.dumps({"deterministic-output-path": "/iexec_out/result.txt"})
)
