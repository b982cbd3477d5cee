"""Measurements, not tests: ``make bench`` prints ratios and writes ``bench/latest.json``."""
