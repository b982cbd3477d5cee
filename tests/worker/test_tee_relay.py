"""What a program inside a confidential container may ask its worker, and tell it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tee_memory import MemoryQuoter, MemorySessions
from vectors_of_tee import DIGEST, KEY, TASK, computed_line, signed

from poolhand.domain.errors import Malformed
from poolhand.domain.tee.session import Service
from poolhand.keys.wallet import Wallet
from poolhand.ports.tee import TeeServiceProgram
from poolhand.worker.tee.memory_folders import MemoryFolders, NoMemoryFolder, kind_of
from poolhand.worker.tee.relay import MOST_RELAY_LINES, RelayedTask, ServiceRelay
from poolhand.worker.tee.relay_line import (
    MOST_RELAY_LINE,
    RELAY_SOCKET,
    RELAY_VARIABLE,
    SERVICE_VARIABLE,
    SESSION_VARIABLE,
    RelayRefused,
    packed_line,
    read_line,
)
from poolhand.worker.tee.tee_launcher import environment_for

WORKER, ENCLAVE = Wallet.from_key(bytes([9]) * 32).address, Wallet.from_key(KEY).address
OTHER = bytes([5]) * 32
PROGRAM = TeeServiceProgram("registry/image", "ab" * 32, ("run",))
TOLD = {"SECRET": "planted", "ÄÖ": "x"}


def relay(service=Service.POST_COMPUTE, sessions=None):
    made = sessions or MemorySessions({service: TOLD}, {service: PROGRAM})
    made.opened.append(None)
    task = RelayedTask(TASK, WORKER, ENCLAVE)
    return ServiceRelay(task, "session1", service, PROGRAM, made, MemoryQuoter())


def about(place, session="session1", service=Service.POST_COMPUTE):
    return {SESSION_VARIABLE: session, SERVICE_VARIABLE: service, RELAY_VARIABLE: str(place)}


async def told(serving, folder, *, times=1, **changes):
    """Return what the launcher is told, through a real socket."""
    async with serving.open_in(folder):
        asked = about(folder / RELAY_SOCKET, **changes)
        for _ in range(times):
            found = await asyncio.to_thread(environment_for, asked, bytes([1]) * 32)
    return found


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("r")


async def test_the_agent_is_told_its_environment_and_nobody_between_reads_it(folder):
    serving = relay()
    seen = []
    honest = serving.answer

    async def heard(raw):
        answer = await honest(raw)
        seen.append(raw + json.dumps(dict(answer)).encode())
        return answer

    serving.answer = heard
    assert await told(serving, folder) == TOLD
    assert len(seen) == 3
    assert not [each for each in seen if b"planted" in each]
    assert serving.report.refusal == ""


async def test_a_session_tells_a_service_once(folder):
    serving = relay()
    with pytest.raises(RelayRefused, match="refused"):
        await told(serving, folder, times=2)
    assert serving.report.refusal == "refused"


@pytest.mark.parametrize("change", [{"session": "another"}, {"service": Service.APP}])
async def test_a_quote_for_something_else_tells_nothing(folder, change):
    with pytest.raises(RelayRefused):
        await told(relay(), folder, **change)


async def test_what_the_enclave_signs_is_believed_once():
    serving = relay()
    assert "told" in await serving.answer(computed_line(WORKER))
    assert serving.report.computed.digest == DIGEST
    assert "once" in (await serving.answer(computed_line(WORKER)))["refused"]


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (Service.POST_COMPUTE, computed_line(WORKER, result_key=OTHER)),
        (Service.POST_COMPUTE, computed_line(WORKER, line_key=OTHER)),
        (Service.POST_COMPUTE, computed_line(ENCLAVE)),
        (Service.APP, computed_line(WORKER)),
        (Service.POST_COMPUTE, computed_line(WORKER)[:-20] + b"\n"),
        (Service.POST_COMPUTE, b"[]\n"),
        (Service.POST_COMPUTE, b'{"ask":"key"}\n'),
        (Service.POST_COMPUTE, b'{"ask":"quote"}\n'),
        (Service.POST_COMPUTE, b'{"ask":"quote","reportData":"0x12"}\n'),
        (Service.POST_COMPUTE, b'{"ask":"quote","reportData":"0xzz"}\n'),
        (Service.POST_COMPUTE, b'{"ask":1}\n'),
        (Service.POST_COMPUTE, b"\xff\n"),
    ],
)
async def test_anything_else_is_refused_and_ends_nothing(service, line):
    serving = relay(service)
    assert (await serving.answer(line)).keys() == {"refused"}
    assert serving.report.computed is None


async def test_causes_count_once_and_only_from_the_enclave():
    serving = relay()
    said = json.dumps([{"cause": "POST_COMPUTE_ENCRYPTION_FAILED", "message": "x"}])
    forged = {"tell": "causes", "causes": said, "authorization": signed(WORKER, OTHER)}
    assert "refused" in await serving.answer(packed_line(forged))
    honest = {**forged, "authorization": signed(WORKER, KEY)}
    assert "told" in await serving.answer(packed_line(honest))
    assert "refused" in await serving.answer(packed_line(honest))
    assert serving.report.causes == ("POST_COMPUTE_ENCRYPTION_FAILED",)
    assert "refused" in await relay().answer(packed_line({**honest, "causes": "[]"}))


async def test_a_program_may_not_ask_for_ever():
    serving = relay()
    for _ in range(MOST_RELAY_LINES):
        assert "nonce" in await serving.answer(b'{"ask":"nonce"}\n')
    assert "too many" in (await serving.answer(b'{"ask":"nonce"}\n'))["refused"]


def test_a_line_is_bounded():
    with pytest.raises(Malformed):
        read_line(b'{"a":"' + b"x" * MOST_RELAY_LINE + b'"}')


@pytest.mark.parametrize(
    "plain", [b"[]", b'{"A":1}', b'{"A=":"x"}', b'{"A":"\\u0000"}', b'{"":""}']
)
async def test_the_agent_takes_no_environment_that_is_none(folder, plain):
    sessions = MemorySessions({}, {})
    serving = relay(sessions=sessions)
    sessions.plain = plain
    with pytest.raises(Malformed):
        await told(serving, folder)


def test_memory_is_told_from_disks(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "25 22 0:5 / /dev/shm rw - tmpfs tmpfs rw\n"
        "26 25 8:2 / /dev/shm/disk rw - ext4 /dev/sdb rw\n"
    )
    assert kind_of(Path("/dev/shm"), table) == kind_of(Path("/dev/shm/x"), table) == "tmpfs"
    assert kind_of(Path("/dev/shm/disk/x"), table) == kind_of(Path("/var"), table) == "ext4"
    MemoryFolders(tmp_path, Path("/dev/shm")).check(table)
    with pytest.raises(NoMemoryFolder, match="no folder in memory"):
        MemoryFolders(tmp_path, Path("/var")).check(table)
    with pytest.raises(NoMemoryFolder):
        MemoryFolders(tmp_path).check(tmp_path / "none")


def test_workers_have_folders_of_their_own(tmp_path):
    first, second = (MemoryFolders(tmp_path / each, tmp_path) for each in "ab")
    first.of(TASK).create()
    assert not second.of(TASK).root.exists()
    assert first.of(TASK).root.stat().st_mode & 0o077 == 0
    first.discard(TASK)
    assert not first.of(TASK).root.exists()
