"""What the verbs that register something answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolhand.cli.render import pairs, receipt_members, receipt_row
from poolhand.cli.verb import Answer

if TYPE_CHECKING:
    from poolhand.requester.assets import Deployed


def deployed_answer(what: str, deployed: Deployed) -> Answer:
    """Tell where an asset is and whether it is new."""
    members = {
        "address": str(deployed.address),
        "new": deployed.is_new,
        "transaction": receipt_members(deployed.receipt),
    }
    note = None if deployed.is_new else "it was registered before; nothing was sent"
    rows = (
        (what, deployed.address),
        ("note", note),
        ("transaction", receipt_row(deployed.receipt)),
    )
    return Answer(members, lambda: pairs(rows))
