"""What the results service measures, for Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter

UPLOAD_OUTCOMES: Final = (
    "stored",
    "not-authorized",
    "upload-expired",
    "other-pool",
    "wrong-moment",
    "digest-differs",
    "too-many-archives",
    "no-room-for-worker",
    "no-room-left",
    "archive-too-large",
    "unsafe-archive",
    "not-yet-on-chain",
    "broken-off",
    "storage-full",
    "storage-down",
)
"""How an upload may end, by the codes of errors; each counts from 0."""


class ResultsMetrics:
    """Counts since the service started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.uploads = Counter(
            "poolhand_result_uploads",
            "Uploads by outcome: stored, or why not",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in UPLOAD_OUTCOMES:  # or a rise from nothing to the first would be no rise
            self.uploads.labels(outcome)
        self.downloads = Counter(
            "poolhand_result_downloads", "Results given out", registry=self.registry
        )
