"""Every status has a test that reaches it, in every way that the network's makers foresaw."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import reached

from poolhand.domain.replicate.status import Status

S = Status

WAYS = {
    S.APP_DOWNLOAD_FAILED: {"missing image", "registry down", "bad digest", "pull timeout"},
    S.DATA_DOWNLOAD_FAILED: {
        "404",
        "checksum",
        "too large",
        "timeout",
        "forbidden scheme: file",
        "forbidden scheme: ftp",
        "forbidden address: private",
    },
    S.COMPUTE_FAILED: {
        "exit code",
        "out of memory",
        "killed at the time limit",
        "no computed.json",
        "output too large",
    },
    S.RESULT_UPLOAD_FAILED: {"results service down; another worker is asked"},
    S.OUT_OF_GAS: {"while contributing", "while revealing"},
    S.COMPLETED: {
        "trust 1: settled in one transaction",
        "trust 3: contributed, revealed, uploaded on request",
    },
}


@pytest.mark.parametrize("status", S)
def test_every_status_is_reached_by_a_test(status):
    found = [claim for claim in reached.claims() if claim.status is status]
    assert found, f"no test in {reached.TESTS} has @reaches(S.{status})"
    missing = WAYS.get(status, set()) - {claim.how for claim in found}
    assert not missing, f"no test reaches {status} by: {', '.join(missing)}"


def test_the_page_is_fresh():
    assert reached.PAGE.read_text(encoding="utf-8") == reached.page(), "run `make docs`"


CLAIMS = """
from reaching import reaches, saw
from poolhand.domain.replicate.status import Status

def told(status, detail=None):
    saw({"replicates": [{"history": [{"status": status, "detail": detail}]}]})

@reaches(Status.RUNNING)
def test_true():
    told("RUNNING")

@reaches(Status.RUNNING, Status.CREATED)
def test_false():
    told("RUNNING")

@reaches(Status.COMPUTE_FAILED)
def test_without_cause():
    told("COMPUTE_FAILED")

@reaches(Status.COMPUTE_FAILED)
def test_with_cause():
    told("COMPUTE_FAILED", "exit code 3")
"""


def test_a_test_whose_claim_is_false_fails(tmp_path):
    (tmp_path / "conftest.py").write_text("from reaching import pytest_runtest_call\n")
    (tmp_path / "test_claims.py").write_text(CLAIMS)
    path = os.pathsep.join([str(reached.TESTS), *sys.path])
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)),
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 failed, 2 passed" in done.stdout, done
    assert "a claim is false: CREATED was in no history that was told" in done.stdout
    assert "a claim is false: COMPUTE_FAILED came without a cause" in done.stdout


def written(tmp_path, source: str):
    folder = tmp_path / "tests" / "e2e"
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text(source)
    return folder


def test_claims_of_a_test_and_of_its_parameters_are_read(tmp_path):
    folder = written(
        tmp_path,
        "@pytest.mark.parametrize('x', [pytest.param(1, id='one', marks=reaches(S.FAILED))])\n"
        "@reaches(S.RUNNING, Status.CREATED, how='by chance')\n"
        "async def test_a(x): ...\n",
    )
    place = "tests/e2e/test_it.py::test_a"
    assert sorted(reached.claims(folder)) == [
        reached.Claim(S.CREATED, "by chance", place),
        reached.Claim(S.FAILED, "", f"{place}[one]"),
        reached.Claim(S.RUNNING, "by chance", place),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "mark = reaches(S.FAILED)\n",
        "@reaches(S.FAILED)\ndef helper(): ...\n",
        "class TestIt:\n    @reaches(S.FAILED)\n    def test_a(self): ...\n",
        "@reaches(status)\ndef test_a(): ...\n",
    ],
)
def test_a_claim_that_nobody_would_check_is_refused(tmp_path, source):
    with pytest.raises(reached.StrayClaim):
        reached.claims(written(tmp_path, source))
