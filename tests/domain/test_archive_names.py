"""The one rule for names in a result."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.archive_names import MAX_ARCHIVE_PATH, BadName, NameTree, parts_of
from poolhand.domain.text import is_plain

ANY_NAME = st.lists(st.text(st.characters(codec=None), max_size=6), min_size=1, max_size=4).map(
    "/".join
)
EVIL = [
    "/etc/passwd",
    "../x",
    "a/../x",
    "./x",
    "a//b",
    "",
    "/",
    "c:x",
    "a\\b",
    "a\nb",
    "a\x00b",
    "a\x1bb",
    "a\x9bb",
    "a\u202egpj.exe",
    "a\u200bb",
    "a\u2028b",
    "a\u00a0b",
    "a\u3000b",
    "a\ue000b",
    "a\ud800b",
    b"caf\xe9".decode("utf-8", "surrogateescape"),
    "x" * (MAX_ARCHIVE_PATH + 1),
    "é" * 128,
]


@pytest.mark.parametrize("name", EVIL)
def test_an_evil_name_is_refused_in_words_that_can_be_shown(name):
    with pytest.raises(BadName, match=r"rename it|shorten it") as caught:
        parts_of(name)
    assert is_plain(str(caught.value))


@pytest.mark.parametrize(
    "name", ["результат/ñandú 1.txt", "日本/東京.txt", "x" * MAX_ARCHIVE_PATH, "a/b/"]
)
def test_ordinary_names_of_any_script_pass(name):
    assert "/".join(parts_of(name)) == name.removesuffix("/")


@given(ANY_NAME)
def test_a_name_that_passes_is_safe_to_unpack_and_to_show(name):
    try:
        parts = parts_of(name)
    except BadName:
        return
    assert is_plain(name)
    assert not {"", ".", ".."} & set(parts)
    assert not name.startswith("/")


@given(ANY_NAME)
def test_the_rule_refuses_what_the_three_rules_before_it_refused(name):
    """Worker and results asked for Cc, Cs, drives; the requester for ``str.isprintable``.

    Left out: what this Python's Unicode does not know, on which two Pythons disagree.
    """
    odd = {unicodedata.category(char) for char in name} - {"Cn"}
    climbs = name.startswith("/") or {"", ".", ".."} & set(name.removesuffix("/").split("/"))
    unprintable = odd & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} or any(
        unicodedata.category(char) == "Zs" and char != " " for char in name
    )
    long = len(name.encode("utf-8", "surrogatepass")) > MAX_ARCHIVE_PATH
    drive = name[:1].isalpha() and name[1:2] == ":"
    if climbs or unprintable or long or drive or "\\" in name:
        with pytest.raises(BadName):
            parts_of(name)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "a"),
        ("a", "A"),
        ("straße", "STRASSE"),
        ("é", "e\u0301"),
        ("ǰ", "J\u030c"),
        ("d/x", "D/y"),
        ("x", "X/y"),
        ("x/y", "X"),
        ("a/b/c/d", "a/B/c/e"),
    ],
)
def test_names_that_meet_on_some_disk_are_refused(first, second):
    tree = NameTree()
    tree.add(first)
    with pytest.raises(BadName, match="apart"):
        tree.add(second)


def test_folders_may_be_told_and_used_in_any_order():
    tree = NameTree()
    for name in ("a/b/c", "a/d"):
        tree.add(name)
    for folder in ("a/b/", "a/", "e/"):
        tree.add(folder, is_folder=True)
    tree.add("e/f")
    with pytest.raises(BadName):
        tree.add("E/", is_folder=True)
