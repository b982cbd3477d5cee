"""The app contract on paper is what the worker does."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from poolhand.containers.sandbox import OPEN_FILES, SANDBOX_USER, SHARED_MEMORY
from poolhand.containers.seccomp import SOCKETS
from poolhand.containers.working_folder import START_FOLDER
from poolhand.domain.archive_names import MAX_ARCHIVE_PATH
from poolhand.domain.computed import MAX_COMPUTED
from poolhand.domain.params import input_name
from poolhand.settings.worker import WORKER_OPTIONS
from poolhand.worker.composition.terms import TASK_LOG
from poolhand.worker.result_files import MAX_ENTRIES
from poolhand.worker.stages.compute import IN, OUT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "app-contract.md").read_text(encoding="utf-8")
REGISTRIES = (ROOT / "docs" / "how-to" / "private-registries.md").read_text(encoding="utf-8")
WORKER = (ROOT / "src/poolhand/worker/stages/compute.py").read_text(encoding="utf-8")
KIB, MIB, GIB = 1024, 1024**2, 1024**3
DEFAULTS = {option.variable: option.default for option in WORKER_OPTIONS}


@pytest.mark.case("D2")
def test_every_variable_of_an_app_stands_on_the_page_and_no_other():
    given = set(re.findall(r'"(IEXEC_[A-Z_]+)"', WORKER))
    named = set(re.findall(r"`(IEXEC_[A-Z_]+)`", PAGE))
    assert given == named
    assert "IEXEC_INPUT_FILE_NAME_{number}" in WORKER
    assert "`IEXEC_INPUT_FILE_NAME_1`" in PAGE


@pytest.mark.case("D2")
@pytest.mark.parametrize(
    ("variable", "default", "shown"),
    [
        ("POOLHAND_TASK_OUTPUT", "1g", "1 GiB (`POOLHAND_TASK_OUTPUT`)"),
        ("POOLHAND_TASK_WORK", "1g", "1 GiB (`POOLHAND_TASK_WORK`)"),
        ("POOLHAND_TASK_TMP", "256m", "256 MiB (`POOLHAND_TASK_TMP`)"),
        ("POOLHAND_TASK_MEMORY", "1g", "1 GiB (`POOLHAND_TASK_MEMORY`)"),
        ("POOLHAND_TASK_PIDS", "256", "256 processes"),
    ],
)
def test_the_sizes_on_the_page_are_the_defaults(variable, default, shown):
    assert DEFAULTS[variable] == default
    assert shown in PAGE


@pytest.mark.case("D2")
def test_the_numbers_on_the_page_are_those_of_the_code():
    assert (MAX_ENTRIES, "10,000 entries" in PAGE) == (10_000, True)
    assert (MAX_ARCHIVE_PATH, "255 bytes" in PAGE) == (255, True)
    assert (MAX_COMPUTED, "256 KiB" in PAGE) == (256 * KIB, True)
    assert (TASK_LOG, "last MiB of each" in PAGE) == (MIB, True)
    assert (OPEN_FILES, "16,384 open files" in PAGE) == (16_384, True)
    assert (SHARED_MEMORY, "64 MiB of shared memory" in PAGE) == (64 * MIB, True)
    assert (SANDBOX_USER, "nobody (65534)" in PAGE) == (65534, True)
    assert set(SOCKETS) == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}
    assert all(f"`{place}" in PAGE for place in (IN, OUT, START_FOLDER))


@pytest.mark.case("D2")
def test_an_input_file_is_named_as_the_page_says():
    url = "https://example.org/a b.txt"
    assert "hashlib.sha256(url.encode()).hexdigest()" in PAGE
    assert input_name(url) == sha256(url.encode()).hexdigest()


@pytest.mark.case("D2", "D8")
def test_the_readme_leads_to_both_pages():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "docs/how-to/app-contract.md" in readme
    assert "docs/how-to/private-registries.md" in readme


@pytest.mark.case("D8")
def test_the_variables_of_registries_are_those_that_are_read():
    source = (ROOT / "src/poolhand/settings/registries.py").read_text(encoding="utf-8")
    assert '"IEXEC_WORKER_DOCKER_REGISTRY"' in source
    for name in ("ADDRESS", "USERNAME", "PASSWORD"):
        assert f"`IEXEC_WORKER_DOCKER_REGISTRY_{name}_1`" in REGISTRIES
    assert "DOCKER_CONFIG" in DEFAULTS
