"""Write generated pages and notebooks anew; a test compares them with what is committed."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import doctorpage
import fieldcases
import figurepages
import httppage
import modulemap
import notebooks
import reached
import sandboxpage
import sdkpage

from poolhand.cli.reference import reference
from poolhand.settings import market, matcher, pool, results, signer, sms, worker
from poolhand.settings.load import Option

DOCS = Path(__file__).resolve().parents[1] / "docs"
HEAD = """# Settings
<!-- Made by `make docs`; do not edit. -->

Flags come before the environment, the environment before a TOML file (`--config`, keys as below),
the file before defaults. `--show-config` prints what is in force and where it comes from, secrets
masked. Names in the environment are those of iExec's own worker and scheduler where they have one.
"""


def settings_page() -> str:
    """Return docs/settings.md."""
    programs = (
        ("worker", "poolhand worker start", worker.WORKER_OPTIONS),
        ("signer of a worker", "poolhand signer serve", signer.SIGNER_OPTIONS),
        ("pool", "poolhand pool serve", pool.POOL_OPTIONS),
        ("results service", "poolhand results serve", results.RESULTS_OPTIONS),
        ("secret management service", "poolhand sms serve", sms.SMS_OPTIONS),
        ("market", "poolhand market serve", market.MARKET_OPTIONS),
        ("matcher", "poolhand market match", matcher.MATCHER_OPTIONS),
    )
    parts = [HEAD]
    for title, command, options in programs:
        parts += [f"\n## The {title}\n", f"`{command}`\n"]
        parts += ["| setting | environment | default | meaning |", "|---|---|---|---|"]
        parts += _rows(options)
    return "\n".join(parts) + "\n"


def _rows(options: tuple[Option, ...]) -> Iterator[str]:
    for option in options:
        default = "**must be given**" if option.default is None else f"`{option.default}`"
        shown = "" if option.default == "" else default
        names = " or ".join(f"`{name}`" for name in option.variables)
        yield f"| `{option.key}` | {names} | {shown} | {option.meaning} |"


def main() -> None:
    """Write every page."""
    runpy.run_path(str(DOCS / "generate.py"), run_name="__main__")
    (DOCS / "cli.md").write_text(reference(), encoding="utf-8")
    (DOCS / "settings.md").write_text(settings_page(), encoding="utf-8")
    reached.PAGE.write_text(reached.page(), encoding="utf-8")
    fieldcases.PAGE.write_text(fieldcases.page(), encoding="utf-8")
    doctorpage.PAGE.write_text(doctorpage.page(), encoding="utf-8")
    sandboxpage.PAGE.write_text(sandboxpage.page(), encoding="utf-8")
    sdkpage.PAGE.write_text(sdkpage.page(), encoding="utf-8")
    httppage.PAGE.write_text(httppage.page(), encoding="utf-8")
    modulemap.PAGE.write_text(modulemap.page(), encoding="utf-8")
    figurepages.write()
    notebooks.write()
    made = (
        reached.PAGE,
        fieldcases.PAGE,
        doctorpage.PAGE,
        sandboxpage.PAGE,
        sdkpage.PAGE,
        httppage.PAGE,
        modulemap.PAGE,
    )
    written = ", ".join(("statuses.md", "cli.md", "settings.md", *(page.name for page in made)))
    print(f"written below docs/: {written}", file=sys.stderr)


if __name__ == "__main__":
    main()
