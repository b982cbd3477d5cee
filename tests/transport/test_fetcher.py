"""Downloads from strangers: what arrives, and above all what does not."""

from __future__ import annotations

import asyncio
import gzip
from hashlib import sha256

import pytest
from downloads import LIMIT, TEXT, nothing_left
from raw_server import body, raw_server, redirect, said

from poolhand.containers.disks import DiskKind
from poolhand.transport.downloading import FetchRules
from poolhand.transport.errors import (
    DownloadFailed,
    DownloadTooLarge,
    FileUnwritten,
    ForbiddenUri,
)
from small_disks import small_disk, works

# What arrives


async def test_a_file_is_stored_whole_and_its_sha256_returned(fetch, target):
    async with raw_server(body(TEXT)) as server:
        digest = await fetch(server.url(), target)
    assert digest == sha256(TEXT).hexdigest()
    assert target.read_bytes() == TEXT
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["data"]


async def test_a_body_without_a_length_is_stored(fetch, target):
    async with raw_server(said(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + TEXT)) as server:
        await fetch(server.url(), target)
    assert target.read_bytes() == TEXT


async def test_a_second_download_replaces_the_first(fetch, target):
    target.write_bytes(b"old")
    async with raw_server(body(TEXT)) as server:
        await fetch(server.url(), target)
    assert target.read_bytes() == TEXT


@pytest.mark.skipif(not works(DiskKind.TMPFS), reason="needs root and mounts")
async def test_a_disk_without_room_is_no_fault_of_who_sends(fetch, tmp_path):
    with small_disk(tmp_path / "small") as disk:
        async with raw_server(body(bytes(8 * 2**20))) as server:
            with pytest.raises(FileUnwritten, match=r"No space left.*worker's operator must free"):
                await fetch(server.url(), disk / "data", limit=10**8)
        assert not list(disk.iterdir())


async def test_a_failed_download_leaves_the_first_alone(fetch, target):
    target.write_bytes(b"old")
    async with raw_server(body(bytes(LIMIT + 1))) as server:
        with pytest.raises(DownloadTooLarge):
            await fetch(server.url(), target)
    assert target.read_bytes() == b"old"


async def test_a_redirect_is_followed(fetch, target):
    async with raw_server(body(TEXT)) as last, raw_server(redirect(last.url("/g"))) as first:
        await fetch(first.url(), target)
    assert target.read_bytes() == TEXT


async def test_nothing_of_ours_is_sent_along(fetch, target, monkeypatch, tmp_path):
    secret = tmp_path / "netrc"
    secret.write_text("machine 127.0.0.1 login me password hunter2")
    monkeypatch.setenv("NETRC", str(secret))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with raw_server(body(TEXT, headers="Set-Cookie: a=b\r\n")) as server:
        await fetch(server.url(), target)
    names = {line.partition(":")[0].lower() for line in server.heads[0].splitlines()[1:] if line}
    assert names == {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert "accept-encoding: identity" in server.heads[0].lower()


async def test_a_compressed_body_stays_as_it_is(fetch, target):
    bomb = gzip.compress(bytes(10**7))
    async with raw_server(body(bomb, headers="Content-Encoding: gzip\r\n")) as server:
        await fetch(server.url(), target, limit=len(bomb))
    assert target.read_bytes() == bomb


# Sizes and times


@pytest.mark.parametrize("claimed", [10**12, LIMIT + 1])
async def test_a_length_over_the_limit_is_refused_before_the_body(fetch, target, claimed):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {claimed}\r\n\r\n".encode()
    async with raw_server(said(head)) as server:
        with pytest.raises(DownloadTooLarge):
            await fetch(server.url(), target)
    assert nothing_left(target)


async def test_an_endless_body_is_cut_at_the_limit(fetch, target):
    sent = 0

    async def endless(writer, _head):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            sent += 65536
            await writer.drain()

    async with raw_server(endless) as server:
        with pytest.raises(DownloadTooLarge):
            await fetch(server.url(), target, limit=10**6)
    assert sent < 50 * 10**6
    assert nothing_left(target)


async def test_a_file_of_exactly_the_limit_is_taken(fetch, target):
    async with raw_server(body(bytes(LIMIT))) as server:
        await fetch(server.url(), target)
    assert target.stat().st_size == LIMIT


@pytest.mark.parametrize(
    "before", [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"HTTP/1.1 2"]
)
async def test_a_slow_drip_is_cut_off_in_time(fetch, target, before):
    async def drip(writer, _head):
        writer.write(before)
        while True:
            writer.write(b"0")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw_server(drip) as server:
        with pytest.raises(DownloadFailed, match=r"not complete after 0\.3 s"):
            await fetch(server.url(), target, timeout=0.3)
    assert nothing_left(target)


async def test_one_that_has_no_time_at_all_leaves_nothing(fetch, target):
    """Its file is opened in a thread, which goes on when nobody waits for it any more."""
    for _ in range(20):
        with pytest.raises(DownloadFailed, match="not complete after 0 s"):
            await fetch("http://127.0.0.1:9/", target, timeout=0)
    assert nothing_left(target)


async def test_a_body_shorter_than_its_length_fails(fetch, target):
    async with raw_server(said(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort")) as server:
        with pytest.raises(DownloadFailed):
            await fetch(server.url(), target)
    assert nothing_left(target)


@pytest.mark.parametrize(
    "answer",
    [
        body(b"gone", status="404 Not Found"),
        body(b"part", status="206 Partial Content"),
        body(b""),
        said(b""),
        said(b"SSH-2.0-OpenSSH_9.2\r\n"),
        said(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 10**6),
        redirect("/f"),
        redirect("http://[bad"),
        said(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["404", "206", "empty", "hang-up", "not http", "endless head", "loop", "bad location",
         "no location"],
)  # fmt: skip
async def test_what_is_no_file_fails(fetch, target, answer):
    async with raw_server(answer) as server:
        with pytest.raises((DownloadFailed, ForbiddenUri)):
            await fetch(server.url(), target)
    assert nothing_left(target)


async def test_a_server_that_is_away_fails(fetch, target):
    with pytest.raises(DownloadFailed):
        await fetch("http://127.0.0.1:9/f", target)


# IPFS and files

CONTENT = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"


@pytest.mark.parametrize("uri", [f"/ipfs/{CONTENT}", f"ipfs://{CONTENT}", f"/ipfs/{CONTENT}/a/b"])
async def test_ipfs_gateways_are_tried_in_order(fetch, target, uri):
    async with raw_server(body(b"no", status="504 No")) as bad, raw_server(body(TEXT)) as good:
        gateways = ("http://127.0.0.1:9", bad.url("/"), good.url(""))
        await fetch(uri, target, FetchRules(ipfs_gateways=gateways))
    assert target.read_bytes() == TEXT
    assert bad.heads[0].startswith(f"GET /ipfs/{CONTENT}")
    assert len(good.heads) == 1


async def test_a_silent_gateway_leaves_time_for_the_next(fetch, target):
    silence = asyncio.Event()

    async def never(_writer, _head):
        await silence.wait()

    async with raw_server(never) as bad, raw_server(body(TEXT)) as good:
        rules = FetchRules(ipfs_gateways=(bad.url(""), good.url("")))
        await fetch(f"/ipfs/{CONTENT}", target, rules, timeout=1)
    assert target.read_bytes() == TEXT


@pytest.mark.parametrize("gateways", [(), ("http://127.0.0.1:9",)])
async def test_ipfs_without_a_working_gateway_fails(fetch, target, gateways):
    with pytest.raises(DownloadFailed, match=r"gateway|9"):
        await fetch(f"/ipfs/{CONTENT}", target, FetchRules(ipfs_gateways=gateways))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "allowed"
    made.mkdir()
    (made / "a file").write_bytes(TEXT)
    (made / "way out").symlink_to("/etc/passwd")
    return made


async def test_a_file_below_an_allowed_folder_is_copied(fetch, target, folder):
    digest = await fetch(f"file://{folder}/a%20file", target, folders=(folder,))
    assert (digest, target.read_bytes()) == (sha256(TEXT).hexdigest(), TEXT)


async def test_a_file_is_bounded_too(fetch, target, folder):
    with pytest.raises(DownloadTooLarge):
        await fetch(f"file://{folder}/a%20file", target, folders=(folder,), limit=len(TEXT) - 1)
    assert nothing_left(target)


@pytest.mark.parametrize(
    "tail", ["/way%20out", "/../outside", "/%2e%2e/outside", "", "-sibling/x", "/a%20file%00"]
)
async def test_no_way_leads_out_of_an_allowed_folder(fetch, target, folder, tail):
    (folder.parent / "outside").write_bytes(TEXT)
    (folder.parent / "allowed-sibling").mkdir()
    (folder.parent / "allowed-sibling" / "x").write_bytes(TEXT)
    with pytest.raises(ForbiddenUri):
        await fetch(f"file://{folder}{tail}", target, folders=(folder,))
