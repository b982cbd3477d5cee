"""Secrets that iExec's SDK 8.24.0 and 9.0.0 push, in the words that its user reads."""

from __future__ import annotations

import pytest

FRAMEWORK = {"8": "scone", "9": "tdx"}
"""Into whose store each generation pushes, unless it is told."""


@pytest.mark.iexec("storage check", "storage init", "requester check-secret")
@pytest.mark.iexec("app check-secret", "dataset check-secret")
@pytest.mark.iexec("app push-secret", "dataset push-secret", "requester push-secret")
@pytest.mark.iexec("result push-encryption-key", "result check-encryption-key")
def test_secrets_are_pushed_once_by_whoever_may_and_found(trades):
    def check(trade):
        seller, app, data = trade.seller, trade.app.address, trade.dataset.address
        (seller.folder / "secret.txt").write_text("a secret", encoding="utf-8")
        file, value = ("--secret-path", "secret.txt"), ("--secret-value", "s3cret é")
        asked = {
            ("storage", "check", "dropbox"): "isInitialized",
            ("app", "check-secret", app): "isSecretSet",
            ("dataset", "check-secret", data): "isSecretSet",
            ("requester", "check-secret", "key"): "isSet",
        }
        pushed = {
            ("app", "push-secret", app, *value): "already exists",
            ("dataset", "push-secret", data, *file): "already exists",
            ("requester", "push-secret", "key", *value): "already exists",
            ("storage", "init", "dropbox", "--token", "a token"): "already",
        }
        told = {words: seller.ok(*words)[member] for words, member in asked.items()}
        assert told == dict.fromkeys(asked, False)
        stranger = trade.buyer.refused("app", "push-secret", app, *value)
        assert "not allowed to set secret" in stranger
        for words in pushed:
            seller.ok(*words)
        told = {words: seller.ok(*words)[member] for words, member in asked.items()}
        assert told == dict.fromkeys(asked, True)
        again = {words: seller.refused(*words) for words in pushed}
        assert [words for words, said in pushed.items() if said not in again[words]] == [], again
        seller.ok("storage", "init", "dropbox", "--token", "another", "--force-update")
        seller.ok("result", "generate-encryption-keypair", "--force")
        seller.ok("result", "push-encryption-key")
        seller.ok("result", "generate-encryption-keypair", "--force")
        seller.ok("result", "push-encryption-key", "--force-update")
        urls = trade.network.info.sms_urls
        found = {
            name: trade.network.cli(
                "dataset", "check-secret", data, "--sms-url", url, "--json"
            ).code
            for name, url in urls.items()
        }
        assert found == {name: int(name != FRAMEWORK[trade.generation]) for name in urls}
        for path in (trade.network.home / "sms").iterdir():
            if path.is_file():
                assert b"a secret" not in path.read_bytes()

    trades.each(check)
