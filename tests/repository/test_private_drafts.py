"""Files for their owner alone are put in place by ``observe.private``, and by no way of another's.

A draft that is renamed, made by hand, forgets the mode, the sync or the draft of a killed program.
"""

from __future__ import annotations

import ast

from sources import PACKAGE, nodes, trees

OTHERS = {
    "appimage/archive.py": "an image's archive, for whoever is to load it",
    "containers/slurm/runner.py": "runs by itself on a cluster's nodes, with Python alone",
    "containers/slurm/shared_files.py": "what all nodes read, under names that say the content",
    "devnet/members.py": "told to everybody",
    "devnet/node.py": "the state of a simulated chain",
    "devnet/registry_store.py": "images of a devnet, which are public",
    "devnet/ipfs_node.py": "a file of a devnet's IPFS, which is public",
    "devnet/faults/disks.py": "the image of a *simulated* disk",
    "devnet/python_layer.py": "a layer of public images",
    "transport/sink.py": "a download, as large as its operator lets it be",
    "worker/result_files.py": "a result, whose folder is its owner's alone",
    "keys/dataset_encryption.py": "a dataset, as large as it is; what is in it is encrypted",
    "worker/tee/computing.py": "a result, whose folder is its owner's alone",
    "keys/result_encryption.py": "a result, as large as an app makes it",
    "store/result_records.py": "beside archives, whose drafts are swept at a start",
    "store/lines.py": "a journal: line by line, and synced by whoever tests it",
}
"""Modules that write a draft and rename it, and why not as all others."""
WRITES = {"write_text", "write_bytes", "fdopen", "open", "writelines", "dump"}


def renames_a_draft(function: ast.AST) -> bool:
    """Whether a function writes a file and then gives it another name."""
    called = [each.func for each in nodes(function) if isinstance(each, ast.Call)]
    names = {each.attr for each in called if isinstance(each, ast.Attribute)}
    names |= {each.id for each in called if isinstance(each, ast.Name)}
    moves = any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr == "replace"
        and len(each.args) == 1
        and not each.keywords
        for each in nodes(function)
    )
    return moves and bool(names & WRITES)


def test_a_private_file_is_written_in_one_place():
    found = {
        place
        for place, tree in trees(PACKAGE)
        for each in nodes(tree)
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and renames_a_draft(each)
    }
    assert found == {"observe/private.py", *OTHERS}, "write it by write_private"


def test_no_file_is_narrowed_only_once_it_is_written():
    """Until then everybody may open it."""
    found = {
        place
        for place, tree in trees(PACKAGE)
        for each in nodes(tree)
        if isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr == "chmod"
        and [ast.unparse(one) for one in each.args] == ["384"]
    }
    assert found == {"devnet/faults/control.py"}, "a socket has no mode before it is there"
