"""What the papers claim: decisions have their parts, names in them exist, releases assemble."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import changelog
import pytest
from prometheus_client import CollectorRegistry

import poolhand
from poolhand.settings import pool, results, worker

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ADRS = sorted((DOCS / "adr").glob("*.md"))
OPERATING = DOCS / "how-to" / "operate-a-pool.md"
PARTS = ("context", "options", "decision", "cost", "what would change our mind")
METRIC = re.compile(r"\bpoolhand_[a-z_]+")
PATH = re.compile(r"`([\w./-]+/[\w.-]*)`")


def registries():
    """Return the registry of each program, as it is when nothing has happened yet."""
    from poolhand.results.metrics import ResultsMetrics as OfResults
    from poolhand.scheduler.metrics import Metrics as OfPool
    from poolhand.scheduler.standby_api import standby_metrics
    from poolhand.worker.metrics import gauges

    class Anything:
        """Stands for what the gauges read where nothing has happened."""

        def __getattr__(self, _):
            return self

        def __call__(self, *_):
            return 0.0

        def __getitem__(self, _):
            return 0.0

        def __iter__(self):
            return iter(())

        def __len__(self):
            return 0

        def __float__(self):
            return 0.0

    nothing = Anything()
    names = OfPool.__init__.__code__.co_argcount - 1
    pool = OfPool(*[nothing] * names)
    pool.show_idle(dict)
    yield pool.registry
    yield OfResults().registry
    yield gauges(nothing, nothing, nothing)
    yield standby_metrics(nothing)


def metric_names():
    """Return every name under which a program of ours tells something."""
    found = set()
    for registry in registries():
        assert isinstance(registry, CollectorRegistry)
        for names in registry._collector_to_names.values():
            found |= set(names)
    return found


NO_METRIC = "poolhand_hosts"
"""A member of a request's params."""


def test_every_metric_that_a_page_names_exists():
    known = metric_names()
    for page in (OPERATING, DOCS / "scale.md", *(DOCS / "how-to").glob("*.md")):
        named = set(METRIC.findall(page.read_text(encoding="utf-8")))
        assert {name for name in named if name not in {*known, NO_METRIC}} == set(), page.name
    assert len(METRIC.findall(OPERATING.read_text(encoding="utf-8"))) >= 10


def labels():
    """Return the labels and their values that programs tell from the start, by metric."""
    found = defaultdict(set)
    for registry in registries():
        for sample in (each for family in registry.collect() for each in family.samples):
            found[sample.name] |= set(sample.labels.items())
    return found


def test_every_label_that_an_alert_asks_for_is_told_from_the_start():
    known, asked = labels(), []
    for name, chosen in re.findall(r"(poolhand_\w+)\{([^}]*)\}", OPERATING.read_text("utf-8")):
        for label, value in re.findall(r'(\w+)!?="([^"]+)"', chosen):
            asked.append(label)
            assert (label, value) in known[name], f"{name} never tells {label}={value}"
    assert set(asked) == {"status", "reason", "outcome"}


def test_a_metric_that_does_not_exist_would_be_noticed():
    assert "poolhand_workers_connected" in metric_names()
    assert "poolhand_workers_conected" not in metric_names()


PEOPLES = (*(DOCS / "how-to").glob("*.md"), DOCS / "worker-guide.md", DOCS / "security.md")
"""Pages that name lines of logs, and settings with their defaults."""


def test_every_line_of_a_log_that_a_page_names_is_one_that_we_write():
    sources = (each.read_text(encoding="utf-8") for each in (ROOT / "src").rglob("*.py"))
    product, named = "\n".join(sources), set()
    for page in PEOPLES:
        words = re.findall(r"`([a-z]+(?:_[a-z]+)+)`", page.read_text(encoding="utf-8"))
        named |= {each for each in words if not METRIC.fullmatch(each)}
    assert {each for each in named if f'"{each}"' not in product} == {"pg_dump"}
    assert "lead_taken" in named


def test_the_default_of_a_setting_that_a_page_tells_is_the_settings_own():
    options = {
        name: each.default
        for each in (*pool.POOL_OPTIONS, *worker.WORKER_OPTIONS, *results.RESULTS_OPTIONS)
        for name in each.variables
    }
    told = []
    for page in PEOPLES:
        text = " ".join(page.read_text(encoding="utf-8").split())
        told += re.findall(r"`((?:POOLHAND|IEXEC)_[A-Z_]+)`,? (?:default )?(\d[\d.]*)", text)
    assert {(name, value) for name, value in told if not options[name].startswith(value)} == set()
    assert len(told) >= 6


def test_the_threat_model_names_rows_that_there_are():
    rows = re.findall(r"^\| ([AN]\d+) \|", (DOCS / "security.md").read_text("utf-8"), re.MULTILINE)
    named = re.findall(r"\b([AN]\d+)\b", (DOCS / "threat-model.md").read_text("utf-8"))
    assert named
    assert set(named) <= set(rows)


def test_decisions_are_numbered_without_a_double():
    numbers = [path.name[:4] for path in ADRS]
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) for path in ADRS)
    assert len(set(numbers)) == len(numbers)
    assert numbers[:8] == [f"{number:04}" for number in range(1, 9)]


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.name)
def test_a_decision_tells_its_reasons_and_its_end_on_one_page(path):
    text = path.read_text(encoding="utf-8")
    parts = {
        part.strip(" .:*#").lower()
        for part in re.findall(r"^(?:\*\*|#+ )[^*\n]+", text, re.MULTILINE)
    }
    needed = set(PARTS) if path in ADRS[:8] else {"context", "what would change our mind"}
    assert needed <= parts, needed - parts
    number = re.match(r"# (?:ADR )?0*(\d+)[.:]? ", text)
    assert number is not None
    assert int(number[1]) == int(path.name[:4])
    assert len(text.splitlines()) <= 80


def exists(name):
    """Whether a path of a page is there: from the root, or from the product's package."""
    bases = (ROOT, ROOT / "src" / "poolhand", DOCS)
    return any((base / name).exists() or (base / f"{name}.py").exists() for base in bases)


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "docs/security.md", "docs/threat-model.md"])
def test_what_a_page_points_to_is_there(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    pointed = {each for each in PATH.findall(text) if not each.startswith("/")}
    assert {each for each in pointed if not exists(each)} - LEAVE_THE_MACHINE == set()
    assert pointed


LEAVE_THE_MACHINE = {"faults/"}
"""Folders that a running program makes."""


@pytest.mark.parametrize("path", ADRS[:8], ids=lambda path: path.name)
def test_a_decision_points_to_what_is_there(path):
    text = path.read_text(encoding="utf-8")
    assert {each for each in PATH.findall(text) if not exists(each)} == set()


PAPERS = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "STYLE.md")


def targets():
    """Return what `make` can be asked for, as its help tells."""
    return set(re.findall(r"^([a-z0-9-]+):.*? ## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", PAPERS)
def test_a_page_names_no_command_of_make_that_is_not_there(name):
    named = re.findall(r"`make ([a-z][a-z0-9-]*)", (ROOT / name).read_text(encoding="utf-8"))
    assert set(named) <= targets()


def test_contributing_names_every_command_of_make():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {each for each in targets() - {"help"} if f"make {each}" not in text} == set()


def test_links_between_papers_lead_somewhere():
    for page in (*DOCS.rglob("*.md"), ROOT / "ARCHITECTURE.md", ROOT / "README.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_fragment_of_the_changelog_says_its_kind():
    assert changelog.fragments(ROOT / "changes")


def test_a_fragment_of_no_kind_is_named(tmp_path):
    (tmp_path / "10.topic.improved.md").write_text("Better.\n")
    with pytest.raises(ValueError, match=r"10\.topic\.improved\.md"):
        changelog.fragments(tmp_path)


def test_a_sentence_that_goes_over_lines_is_one_item():
    text = "One is told\nover lines. It has\ntwo sentences.\nAnother one (of `this`).\n- A list\n  of lines.\n"
    assert changelog.items(text) == [
        "- One is told over lines. It has two sentences.",
        "- Another one (of `this`).",
        "- A list",
        "  of lines.",
    ]


def test_every_item_of_the_next_release_is_whole_sentences():
    for path in changelog.fragments(ROOT / "changes"):
        for item in changelog.items(path.read_text(encoding="utf-8")):
            assert not re.match(r"- (?!iExec|web3)[a-z]", item), f"{path.name}: {item}"


def test_the_version_is_the_same_wherever_it_stands():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == poolhand.__version__


def test_a_release_puts_its_part_before_the_older_ones(tmp_path):
    (tmp_path / "1.a.fixed.md").write_text("One is mended.\n")
    (tmp_path / "2.security.md").write_text("- Two is closed.\n")
    part = changelog.section("0.2.0", "2026-12-01", changelog.fragments(tmp_path))
    page = changelog.put("# Changelog\n\nWhat a user can notice.\n\n## 0.1.0\n\nOld.\n", part)
    assert [line for line in page.splitlines() if line.strip()] == [
        "# Changelog",
        "What a user can notice.",
        "## 0.2.0 (2026-12-01)",
        "### Security",
        "- Two is closed.",
        "### Fixed",
        "- One is mended.",
        "## 0.1.0",
        "Old.",
    ]
