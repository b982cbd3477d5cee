"""The ports of a devnet's programs, which are chosen before anybody listens there."""

from __future__ import annotations

import socket
import subprocess
import sys

from poolhand.devnet.ports import LISTENING, LOOPBACK_ADDRESS, KeptPorts, free_port

NAMES = tuple(f"program-{number}" for number in range(12))


def test_no_connection_is_given_a_port_that_was_chosen(tmp_path):
    ports = KeptPorts(tmp_path / "ports.json", NAMES)
    assert {ports[name] for name in NAMES} <= set(LISTENING)


def test_no_two_programs_have_one_port(tmp_path):
    ports = KeptPorts(tmp_path / "ports.json", NAMES)
    assert len({ports[name] for name in NAMES}) == len(NAMES)


def test_devnets_that_start_side_by_side_do_not_meet():
    ask = "from poolhand.devnet.ports import free_port; print(*(free_port() for _ in range(12)))"
    started = [
        subprocess.Popen((sys.executable, "-c", ask), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    found = [port for each in started for port in each.communicate()[0].split()]
    assert len(set(found)) == len(found) == 36


def test_a_port_is_kept_while_it_is_free_and_left_to_who_listens_there(tmp_path):
    file = tmp_path / "ports.json"
    before = KeptPorts(file, NAMES)["program-3"]
    assert KeptPorts(file, NAMES)["program-3"] == before
    with socket.create_server((LOOPBACK_ADDRESS, before)):
        assert KeptPorts(file, NAMES)["program-3"] != before


def test_who_listens_in_the_way_is_passed_by():
    with socket.create_server((LOOPBACK_ADDRESS, free_port())) as taken:
        assert free_port(taken.getsockname()[1]) != taken.getsockname()[1]
