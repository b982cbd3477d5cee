"""What docs/how-to/store-results.md prints is done: its files are read, its lines keep results."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from results_world import URL
from test_storage_suite import ARCHIVE, kept, read

from poolhand.domain.result_link import location_at
from poolhand.results.storages import opened_storage
from poolhand.settings.load import load
from poolhand.settings.results import RESULTS_OPTIONS, results_settings
from typed_lines import program, typed_lines

PAGE = "docs/how-to/store-results.md"
HELD = "/etc/poolhand/storage"
NOWHERE = ("--rpc", "http://127.0.0.1:9", "--hub", "0x" + "11" * 20)


def flags_of(line: str) -> dict[str, str]:
    words = shlex.split(line)[3:]
    return {flag.removeprefix("--"): value for flag, value in zip(*[iter(words)] * 2, strict=True)}


def credentials(folder: Path, text: str) -> Path:
    file = folder / "credentials"
    file.write_text(text)
    file.chmod(0o600)
    return file


async def test_the_bucket_of_the_page_keeps_results_with_the_file_of_the_page(s3, tmp_path):
    lines = typed_lines(PAGE)
    (line,) = [each for each in lines if "s3://" in each]
    assert f"chmod 600 {HELD}" in lines
    text = program(PAGE, "ini").replace("AKIAEXAMPLE", s3.key_id)
    file = credentials(tmp_path, text.replace("example-secret", s3.secret))
    here = {"https://s3.example": s3.endpoint, HELD: str(file), "/srv/results": str(tmp_path / "r")}
    for printed, meant in here.items():
        line = line.replace(printed, meant)
    settings = results_settings(load(RESULTS_OPTIONS, flags_of(line), {}))
    async with opened_storage(settings, partial(location_at, URL)) as storage:
        placed = await kept(storage)
        assert await read(storage, placed) == b"0123456789"
        assert await storage.tasks() == (ARCHIVE.task_id,)


def started(folder: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "poolhand", "results", "serve", *NOWHERE, *words]
    environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "POOLHAND_HOME": str(folder)}
    return subprocess.run(
        [*command, "--folder", str(folder / "results"), "--port", "0"],
        check=False,
        capture_output=True,
        text=True,
        env=environ,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("bucket", "changes", "why"),
    [
        ("results", {"aws_secret_access_key": "hidden"}, "refuses our credentials"),
        ("absent", {}, "there is no bucket absent"),
    ],
)
def test_a_service_with_a_wrong_storage_does_not_start_and_says_who_acts(
    s3, tmp_path, bucket, changes, why
):
    file = s3.credentials(tmp_path, **changes)
    done = started(tmp_path, "--storage", s3.url("x", bucket), "--storage-credentials", file)
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert why in said
    assert "operator must" in said
    assert s3.secret not in said
    assert "hidden" not in said
    assert "Traceback" not in said


def test_what_the_page_says_that_it_says_is_what_is_said():
    page = (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")
    tables = [each.partition("\n\n")[0] for each in page.split("| what it says |")[1:]]
    said = re.findall(r"^\| `(?:the IPFS node at … )?([^`…]+)", "\n".join(tables), re.MULTILINE)
    sources = Path(__file__).parents[2] / "src" / "poolhand"
    folders = ("store", "results", "requester")
    code = " ".join(each.read_text() for name in folders for each in (sources / name).glob("*.py"))
    assert len(said) > 12
    assert [words for words in said if words.strip() not in code] == []
