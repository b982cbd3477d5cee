"""The services of a compose file, started by Compose; without it, by the words of `docker run`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

GAP = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


def docker(*words: str, check: bool = True) -> str:
    """Run `docker`; returns what it printed."""
    done = subprocess.run(("docker", *words), check=False, capture_output=True, text=True)
    assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout.strip()


def has_compose() -> bool:
    """Tell whether Docker has its Compose plugin here."""
    done = subprocess.run(("docker", "compose", "version"), check=False, capture_output=True)
    return done.returncode == 0


def up(file: Path, override) -> None:
    """Have Compose start a file, changed by ``override``, from images that are there."""
    _override(file).write_text(yaml.safe_dump(override), encoding="utf-8")
    docker(*_compose(file), "up", "--detach", "--no-build")


def down(file: Path) -> None:
    """Have Compose remove all that it made of a file."""
    docker(*_compose(file), "down", "--volumes", check=False)


def _compose(file: Path) -> tuple[str, ...]:
    return ("compose", "--file", str(file), "--file", str(_override(file)))


def _override(file: Path) -> Path:
    return file.with_suffix(".override.yaml")


def log_of(name: str) -> str:
    """Return the end of what a container has said."""
    done = subprocess.run(("docker", "logs", name), capture_output=True, text=True, check=False)
    return f"{name}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"


def inspected(name: str):
    return json.loads(docker("inspect", name))[0]


def composed(path: Path, told: Mapping[str, str]):
    """Return a compose file with its variables filled in, once it is read: as texts."""

    def fill(gap):
        name, kind, rest = gap.groups()
        value = told.get(name, "")
        assert value or kind != "?", f"{name}: {rest}"
        return value or (rest if kind == "-" else "")

    def filled(part):
        if isinstance(part, dict):
            return {key: filled(each) for key, each in part.items()}
        if isinstance(part, list):
            return [filled(each) for each in part]
        return GAP.sub(fill, part) if isinstance(part, str) else part

    return filled(yaml.safe_load(path.read_text(encoding="utf-8")))


def words_of_service(file, name: str, folder: Path) -> list[str]:
    """Return the words of `docker run`, all but the container's name.

    Args:
        file: As ``composed`` returns it.
        name: Of the service.
        folder: In which the compose file stands, for its secrets.
    """
    it = dict(file["services"][name])
    words = [
        "--user",
        it["user"],
        "--read-only",
        "--init" if it.pop("init", False) else "--tty=false",
    ]
    own = {each: f"{file['name']}_{each}" for each in file["volumes"]}
    named = [each.partition(":") for each in it.get("volumes", ())]
    it["volumes"] = [own.get(what, what) + colon + rest for what, colon, rest in named]
    many = {"cap_drop": "--cap-drop", "security_opt": "--security-opt", "group_add": "--group-add",
            "tmpfs": "--tmpfs", "volumes": "--volume"}  # fmt: skip
    for key, flag in many.items():
        words += [word for each in it.pop(key, ()) for word in (flag, each)]
    one = {"network_mode": "--network", "mem_limit": "--memory", "pids_limit": "--pids-limit"}
    words += [word for key, flag in one.items() if key in it for word in (flag, str(it.pop(key)))]
    for key, value in it.pop("environment").items():
        words += ["--env", f"{key}={value}"]
    for secret in it.pop("secrets", ()):
        words += [
            "--volume",
            f"{folder / file['secrets'][secret]['file']}:/run/secrets/{secret}:ro",
        ]
    known = {"user", "read_only", "image", "build", "pull_policy", "depends_on", "restart", "stop_grace_period",
             "logging"}  # fmt: skip
    assert set(it) <= known, "this stands in the file and would not be tried"
    return [*words, it["image"]]
