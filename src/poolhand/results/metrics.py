"""What the results service measures, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


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
        self.downloads = Counter(
            "poolhand_result_downloads", "Results given out", registry=self.registry
        )
