"""What the secret management service measures, for Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter

PUSH_OUTCOMES: Final = (
    "added",
    "changed",
    "not-allowed-to-set",
    "secret-too-large",
    "not-text",
    "bad-secret-name",
    "bad-hex",
    "secret-there",
    "no-such-secret",
    "old-result-key",
    "too-many-changes",
    "no-room-for-secrets",
    "secrets-unwritable",
    "chain-unreachable",
)
"""How the setting of a secret may end, by the codes of errors; each counts from 0."""


class SmsMetrics:
    """Counts since the service started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.pushes = Counter(
            "poolhand_sms_pushes",
            "Secrets that were to be set, by outcome: added, changed, or why not",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in PUSH_OUTCOMES:  # or a rise from nothing to the first would be no rise
            self.pushes.labels(outcome)
        self.looks = Counter(
            "poolhand_sms_looks", "Questions whether there is a secret", registry=self.registry
        )
