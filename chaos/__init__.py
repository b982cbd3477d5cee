"""Faults at every status boundary of a real network: inflicted, judged, told. See docs/chaos.md."""
