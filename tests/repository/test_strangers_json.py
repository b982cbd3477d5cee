"""JSON that others wrote is parsed in one place; what reads its own files is listed."""

from __future__ import annotations

import ast

from sources import PACKAGE, nodes, trees

OWN = {
    "domain/json_text.py": "the one place",
    "store/record.py": "our journal, under a checksum",
    "store/row_codec.py": "our journal, under a checksum",
    "store/memory.py": "our journal",
    "store/rows.py": "our rows",
    "store/migrations/versions/v0002_settled.py": "our journal",
    "worker/pid_file.py": "the worker's own pid file",
    "worker/upgrading/installation.py": "our note why a version did not take over",
    "containers/slurm/runner.py": "the order of its worker, where Poolhand is not installed",
    "containers/vm/guest.py": "the order of its worker, where Poolhand is not installed",
    "containers/vm/launcher.py": "the order of its worker, where Poolhand is not installed",
    "cli/signer_program.py": "what the signer's own child tells it",
    "requester/remembered.py": "our notes of purchases",
    "store/market/lists.py": "orders and categories as the market wrote them",
    "store/market/deals.py": "deals as the market wrote them",
    "store/market/orders.py": "orders as the market wrote them",
    "market/pages/own_api.py": "what the market's own API answers",
    "store/market/retention.py": "deals as the market wrote them",
    "store/sms/copies.py": "our backups, sealed under the master key",
    "store/sms/secrets.py": "our rows, sealed under a key of ours",
    "store/market/newest.py": "deals and categories as the market wrote them",
    "store/market/looks.py": "deals as the market wrote them",
    "store/market/migrations/versions/m0004_history.py": "deals as the market wrote them",
}
"""Who parses by other means, and what."""


def parsers(tree: ast.Module) -> list[int]:
    """Return the lines that call ``json.loads``, ``json.load`` or an answer's ``json``."""
    calls = [
        node
        for node in nodes(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    return [each.lineno for each in calls if parses(each)]


def parses(call: ast.Call) -> bool:
    name = call.func.attr
    return (name in ("loads", "load") and ast.unparse(call.func.value) == "json") or (
        name == "json" and not call.args
    )


def test_what_strangers_wrote_is_parsed_by_parse_json_alone():
    found = {file: parsers(tree) for file, tree in trees(PACKAGE)}
    others = {
        name: lines
        for name, lines in found.items()
        if lines and name not in OWN and not name.startswith("devnet/")
    }
    assert others == {}
    assert all(found[name] for name in OWN), "listed, and parses nothing any more"
