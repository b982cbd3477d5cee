"""Files for their owner alone: whole or not at all, over a power cut where that matters."""

from __future__ import annotations

import stat

import pytest

from poolhand.observe.private import PRIVATE_FILE_MODE, write_private


@pytest.mark.parametrize("content", ["süß", "süß".encode()], ids=["text", "bytes"])
@pytest.mark.parametrize("lasting", [False, True])
def test_a_file_is_its_owners_alone_whatever_was_there_before(tmp_path, content, lasting):
    place = tmp_path / "file"
    place.write_text("before")
    place.chmod(0o644)
    (tmp_path / ".file.part").write_text("of a program that was killed")
    write_private(place, content, lasting=lasting)
    assert place.read_text(encoding="utf-8") == "süß"
    assert stat.S_IMODE(place.stat().st_mode) == PRIVATE_FILE_MODE
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_written_leaves_what_was_there_and_no_draft(tmp_path):
    place = tmp_path / "folder"
    place.mkdir()
    (place / "kept").touch()
    with pytest.raises(OSError, match="directory"):
        write_private(place, "text")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]
    assert (place / "kept").exists()


def test_a_link_in_the_drafts_place_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / ".file.part").symlink_to(other)
    write_private(tmp_path / "file", "text")
    assert (other.read_text(), (tmp_path / "file").read_text()) == ("mine", "text")
