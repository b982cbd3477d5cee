"""This computer, as logind, X11 and the kernel tell of it: real programs, played by scripts."""

from __future__ import annotations

import shutil
import subprocess
from types import SimpleNamespace

import pytest

from poolhand.observe.heat import hottest_processor
from poolhand.observe.machine_use import ThisMachine
from poolhand.observe.other_programs import running_program
from poolhand.observe.power import read_power
from poolhand.ports.machine_use import InputSeen, Power

NOW = 1_800_000_000.0


def program(folder, name, text, code=0):
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    path.chmod(0o755)
    return (str(path),)


def machine(folder, logind="", x11="", environ=None, **codes):
    """Return a computer whose programs print this."""
    asked = program(folder, "loginctl", logind, codes.get("logind_code", 0))
    shows = program(folder, "xprintidle", x11, codes.get("x11_code", 0))
    return ThisMachine(environ or {}, asked, shows, folder / "none", lambda: NOW)


def hint(word, seconds_ago=0):
    return f"IdleHint={word}\nIdleSinceHint={int((NOW - seconds_ago) * 1e6)}"


DISPLAY = {"DISPLAY": ":0"}


@pytest.mark.parametrize(
    ("logind", "x11", "environ", "seen"),
    [
        (hint("no"), "", {}, InputSeen(0, "logind")),
        (hint("yes", 420), "", {}, InputSeen(420, "logind")),
        (hint("yes", -9), "", {}, InputSeen(0, "logind")),
        (hint("no"), "61234", DISPLAY, InputSeen(61, "X11")),
        (hint("yes", 420), "no display", DISPLAY, InputSeen(420, "logind")),
        (hint("yes", 420), "61234", {}, InputSeen(420, "logind")),
        ("IdleHint=yes\nIdleSinceHint=", "", {}, None),
        ("IdleHint=perhaps", "", {}, None),
        ("nonsense", "", {}, None),
        ("", "", {}, None),
    ],
)
async def test_who_knows_best_is_believed(tmp_path, logind, x11, environ, seen):
    assert await machine(tmp_path, logind, x11, environ).input() == seen


async def test_a_program_that_fails_or_is_not_there_tells_nothing(tmp_path):
    failing = machine(tmp_path, hint("no"), "5", DISPLAY, logind_code=1, x11_code=1)
    assert await failing.input() is None
    absent = ThisMachine({}, ("/nowhere/loginctl",), ("/nowhere/x",), tmp_path)
    assert await absent.input() is None


async def test_the_real_logind_is_asked_without_harm():
    seen = await ThisMachine().input()
    assert seen is None or seen.idle_for >= 0


def test_processors_at_work_are_between_none_and_all():
    import psutil

    found = ThisMachine()
    assert 0 <= found.busy() <= psutil.cpu_count()


def supply(folder, name, **values):
    made = folder / name
    made.mkdir()
    for key, value in values.items():
        (made / key).write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("supplies", "power"),
    [
        ({}, Power()),
        ({"AC": {"type": "Mains", "online": 1}}, Power()),
        ({"BAT0": {"type": "Battery", "status": "Discharging", "capacity": 63}}, Power(True, 63)),
        ({"BAT0": {"type": "Battery", "status": "Charging", "capacity": 63}}, Power(False, 63)),
        (
            {
                "AC": {"type": "Mains", "online": 0},
                "BAT0": {"type": "Battery", "status": "Discharging", "capacity": 9},
                "BAT1": {"type": "Battery", "status": "Unknown", "capacity": 80},
            },
            Power(True, 9),
        ),
        (
            {
                "AC": {"type": "Mains", "online": 1},
                "BAT0": {"type": "Battery", "status": "Discharging", "capacity": 70},
            },
            Power(False, 70),
        ),
        ({"mouse": {"type": "Battery", "scope": "Device", "status": "Discharging"}}, Power()),
        ({"ups": {"type": "UPS", "status": "Discharging"}}, Power(True, None)),
        ({"BAT0": {"type": "Battery", "status": "Full", "capacity": "x"}}, Power(False, None)),
    ],
)
def test_what_feeds_a_computer_is_read_from_the_kernel(tmp_path, supplies, power):
    for name, values in supplies.items():
        supply(tmp_path, name, **values)
    assert read_power(tmp_path) == power


def test_a_computer_that_tells_of_no_supply_has_none(tmp_path):
    assert read_power(tmp_path / "none") == Power()


def test_a_program_that_runs_is_found_by_its_name(tmp_path):
    name = "poolhand-test-game"
    place = tmp_path / name
    shutil.copy(shutil.which("sleep"), place)
    assert running_program({name}) is None
    with subprocess.Popen((place, "60")) as child:
        assert running_program({name, "another"}) == name
        numbers = tmp_path / "proc" / str(child.pid)
        numbers.mkdir(parents=True)
        (numbers / "status").write_text(f"Name:\tx\nNSpid:\t{child.pid}\t1\n")
        assert running_program({name}, tmp_path / "proc") is None, "it is in a container"
        child.kill()


def sensor(*told):
    return [SimpleNamespace(current=each) for each in told]


@pytest.mark.parametrize(
    ("sensors", "celsius"),
    [
        ({"coretemp": sensor(61.0, 74.5), "nvme": sensor(90.0)}, 74.5),
        ({"acpitz": sensor(30.0), "k10temp": sensor(55.0)}, 55.0),
        ({"coretemp": sensor(-40.0, 255.0), "acpitz": sensor(41.0)}, 41.0),
        ({"nvme": sensor(40.0)}, None),
        ({}, None),
    ],
)
def test_the_surest_sensor_tells_how_hot_processors_are(sensors, celsius):
    assert hottest_processor(lambda: sensors) == celsius


def test_a_sensor_that_fails_tells_nothing():
    def fails():
        raise OSError("no such device")

    assert hottest_processor(fails) is None
