"""The authorities whose certificates count are read once, whoever connects."""

from __future__ import annotations

import ast
import ssl
from pathlib import Path

import poolhand
from poolhand.web.trusted import trusted

SOURCES = sorted(Path(poolhand.__file__).parent.rglob("*.py"))
CLIENTS = {"Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport"}
TOLD = {"verify", "transport"}


def test_whoever_asks_is_given_what_was_read_before(monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert trusted() is trusted()
    assert trusted(environment=True) is trusted(environment=True)
    assert len(trusted().get_ca_certs()) > 50


def test_the_environment_names_others_to_those_who_mind_it(monkeypatch, tmp_path):
    usual = trusted().get_ca_certs()
    one, *_ = trusted().get_ca_certs(binary_form=True)
    (tmp_path / "ca.pem").write_text(ssl.DER_cert_to_PEM_cert(one), encoding="utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert len(trusted(environment=True).get_ca_certs()) == 1
    assert trusted().get_ca_certs() == usual


def test_no_client_of_ours_reads_them_anew():
    assert [found for file in SOURCES for found in unbound(file)] == []


def unbound(file: Path) -> list[str]:
    """Return where a file makes a client of httpx that is not told whom to trust."""
    calls = [each for each in ast.walk(ast.parse(file.read_bytes())) if isinstance(each, ast.Call)]
    return [
        f"{file.name}:{call.lineno}"
        for call in calls
        if ast.unparse(call.func) in {f"httpx.{name}" for name in CLIENTS}
        and not TOLD & {each.arg for each in call.keywords}
    ]
