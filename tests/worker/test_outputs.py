"""What an app's folder comes to, however the app tries to make it something else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from hashlib import sha256

import pytest
from eth_hash.auto import keccak
from trees import add_oddities, computed, grow

from poolhand.containers.folders import remove
from poolhand.domain.computed import NoResult
from poolhand.worker.archive import pack
from poolhand.worker.outputs import read_outputs
from poolhand.worker.result_files import DRAFT, MAX_ENTRIES, add_file, open_plain, result_files
from poolhand.worker.task_folders import Folder


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "output" / "iexec_out"
    made.mkdir(parents=True)
    return made


def read(folder, *, with_callback=False):
    return read_outputs(folder, with_callback=with_callback)


def test_a_file_gives_its_sha256(folder):
    grow(folder, {"result.txt": b"42"})
    computed(folder)
    outputs = read(folder)
    assert bytes(outputs.digest) == sha256(b"42").digest()
    assert outputs.callback_data is None


def test_a_folder_gives_the_hash_of_its_direct_files(folder):
    grow(folder, {"d/b": b"2", "d/a": b"1", "d/sub/c": b"3"})
    computed(folder, "/iexec_out/d")
    joined = sha256(b"1").digest() + sha256(b"2").digest()
    assert bytes(read(folder).digest) == keccak(joined)


def test_a_callback_gives_the_hash_of_its_data(folder):
    computed(folder, None, **{"callback-data": "0x1234"})
    outputs = read(folder, with_callback=True)
    assert (bytes(outputs.digest), outputs.callback_data) == (keccak(b"\x12\x34"), b"\x12\x34")


def test_callback_data_nobody_asked_for_go_nowhere(folder):
    grow(folder, {"result.txt": b"42"})
    computed(folder, **{"callback-data": "0x1234"})
    assert read(folder).callback_data is None


def test_a_missing_computed_json_is_named(folder):
    grow(folder, {"result.txt": b"42"})
    with pytest.raises(NoResult, match=r"did not write /iexec_out/computed\.json"):
        read(folder)


def test_a_linked_computed_json_is_none(folder):
    (folder.parent / "elsewhere").write_text('{"deterministic-output-path": "/iexec_out"}')
    (folder / "computed.json").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(NoResult, match=r"computed\.json as a symbolic link"):
        read(folder)


@pytest.mark.case("D7")
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("secret", "secret as a symbolic link"),
        ("folder-link", "folder-link as a symbolic link"),
        ("folder-link/passwd", "folder-link as a symbolic link"),
        ("./x/../dangling", "dangling as a symbolic link"),
        ("pipe", "pipe as a pipe"),
        ("socket", "socket as a pipe, a socket"),
    ],
)
def test_what_is_no_file_is_no_result_and_named(folder, path, kind):
    add_oddities(folder)
    computed(folder, f"/iexec_out/{path}")
    with pytest.raises(NoResult, match=f"the app left /iexec_out/{kind}"):
        read(folder)


@pytest.mark.case("A1")
def test_a_surrogate_in_computed_json_is_no_result(folder):
    grow(folder, {"result.txt": b"42"})
    (folder / "computed.json").write_text(
        r'{"deterministic-output-path":"/iexec_out/\ud800"}', encoding="ascii"
    )
    with pytest.raises(NoResult, match="half of a surrogate pair"):
        read(folder)


def test_a_file_of_this_machine_is_never_hashed(folder):
    grow(folder, {"result.txt": b"42"})
    computed(folder, "/iexec_out")
    before = read(folder).digest
    add_oddities(folder)
    assert read(folder).digest == before


def test_a_file_exchanged_for_a_link_is_not_opened(folder):
    (folder / "swapped").symlink_to("/etc/passwd")
    with pytest.raises(NoResult, match="symbolic link"):
        open_plain(folder / "swapped")


def test_a_pipe_in_place_of_a_file_does_not_block(folder):
    os.mkfifo(folder / "computed.json")
    with pytest.raises(NoResult, match="no regular file"):
        open_plain(folder / "computed.json")


@pytest.mark.parametrize(
    "name", ["a\\b", "c:x", "new\nline", "bell\x07", os.fsdecode(b"caf\xe9"), "x/" + "y" * 254]
)
def test_names_that_cannot_travel_are_refused(folder, name):
    grow(folder, {name: b"", "result.txt": b"42"})
    computed(folder)
    with pytest.raises(NoResult, match=r"rename it|shorten it"):
        read(folder)


@pytest.mark.parametrize("pair", [("A", "a"), ("d/x", "D/y"), ("\u00e9", "e\u0301"), ("x", "X/y")])
def test_names_that_some_systems_confuse_are_refused(folder, pair):
    grow(folder, dict.fromkeys(pair, b""))
    computed(folder, "/iexec_out")
    with pytest.raises(NoResult, match="apart"):
        read(folder)


def test_names_of_other_scripts_are_fine(folder):
    grow(folder, {"результат/ñandú 1.txt": b"42"})
    computed(folder, "/iexec_out/результат/ñandú 1.txt")
    assert bytes(read(folder).digest) == sha256(b"42").digest()


def test_too_many_files_are_refused(folder):
    for number in range(MAX_ENTRIES + 1):
        (folder / str(number)).touch()
    with pytest.raises(NoResult, match=str(MAX_ENTRIES)):
        read(folder)


def test_folders_nested_without_end_are_refused(folder):
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        inner = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    with pytest.raises(NoResult, match="shorten"):
        read(folder)
    remove(folder)


def test_our_logs_replace_a_trap_and_do_not_follow_it(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (folder / "stdout.txt").symlink_to(victim)
    add_file(folder, "stdout.txt", b"hello")
    assert victim.read_text() == "untouched"
    assert (folder / "stdout.txt").read_bytes() == b"hello"
    assert not (folder / "stdout.txt").is_symlink()
    assert [path.name for path in folder.parent.iterdir()] == ["iexec_out"]


def killed_while_it_adds(folder, name, content):
    """Die by a kill as soon as the file of ours is begun, under whatever name."""
    program = (
        "import os, pathlib, signal, sys\n"
        "from poolhand.worker.result_files import add_file\n"
        "sys.addaudithook(lambda event, told: event == 'os.rename' and os.kill(os.getpid(), 9))\n"
        "add_file(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3].encode())\n"
    )
    done = subprocess.run((sys.executable, "-c", program, folder, name, content), check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_kill_while_our_logs_are_added_leaves_nothing_in_the_result(folder):
    grow(folder, {"result.txt": b"42"})
    killed_while_it_adds(folder, "stdout.txt", "hello")
    add_file(folder, "stdout.txt", b"hello")
    assert [name for name, _ in result_files(folder)] == ["result.txt", "stdout.txt"]


def test_a_trap_where_our_logs_are_drafted_is_not_followed(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (folder / DRAFT).symlink_to(victim)
    add_file(folder, "stdout.txt", b"hello")
    assert victim.read_text() == "untouched"
    assert [path.name for path in folder.iterdir()] == ["stdout.txt"]


def test_digest_and_archive_speak_of_the_same_files(folder):
    grow(folder, {"result.txt": b"42"})
    computed(folder)
    add_oddities(folder)
    pack(folder, folder.parent / "made.zip")
    assert bytes(read(folder).digest) == sha256(b"42").digest()


def test_a_tasks_folder_is_closed_to_others_but_its_input_open_to_the_app(tmp_path):
    before = os.umask(0o077)
    try:
        made = Folder(tmp_path / "task")
        made.create()
        made.create()
    finally:
        os.umask(before)
    assert made.root.stat().st_mode & 0o777 == 0o700
    assert made.input.stat().st_mode & 0o777 == 0o755
    assert made.output.is_dir()
