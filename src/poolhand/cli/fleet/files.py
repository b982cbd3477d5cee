"""What workers of a fleet need on other machines: unit files, or a compose file, and keystores.

Keystores leave encrypted; their password is in none of these files, for who finds one would have
the wallet. It is carried by another way, as the text beside the files says.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from poolhand.cli.fleet.folder import Fleet, FleetFolder, FleetMember
from poolhand.cli.join_service import unit_text
from poolhand.domain.errors import Refused
from poolhand.observe.private import write_private

_PLACE: Final = "/etc/poolhand"
"""Where a worker's files lie on its machine."""
_PROGRAM: Final = "/usr/local/bin/poolhand"
"""What starts a worker there."""
_CONTAINER_VARIABLES: Final[Mapping[str, str]] = {
    "chain": "POOLHAND_CHAIN",
    "hub": "POOLHAND_HUB",
    "chain-id": "POOLHAND_CHAIN_ID",
    "rpc": "IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS",
    "allow-private": "POOLHAND_ALLOW_PRIVATE",
    "oversubscribe": "POOLHAND_OVERSUBSCRIBE",
}
"""Settings of a fleet by the names that a container is told them by."""


class FilesThere(Refused):
    """Something is where the files are to go, and it is not overwritten."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already: move it away, or name another place")


def write_units(
    folder: FleetFolder, fleet: Fleet, members: Sequence[FleetMember], to: Path
) -> Path:
    """Write a folder for each worker: unit, settings, keystore; return the text that says how.

    Raises:
        FilesThere: There is something.
    """
    check_units_free(to)
    to.mkdir(parents=True, mode=0o700)
    for each in members:
        place = to / each.name
        place.mkdir(mode=0o700)
        write_private(place / "wallet.json", folder.keystore(each).read_bytes(), lasting=True)
        write_private(place / "worker.toml", _settings(fleet, each), lasting=True)
        write_private(place / f"poolhand-{each.name}.service", _unit(each), lasting=True)
    text = to / "README.txt"
    write_private(text, _units_text(folder, members), lasting=True)
    return text


def check_units_free(to: Path) -> None:
    """Check that unit files can be written there; raises FilesThere."""
    _check_free(to)


def _check_free(*paths: Path) -> None:
    for each in paths:
        if each.exists():
            raise FilesThere(each)


def _settings(fleet: Fleet, member: FleetMember) -> str:
    told = {
        **fleet.settings,
        "core-url": fleet.url,
        "pool-address": fleet.pool,
        "name": member.name,
        "cpus": str(fleet.slots),
        "base-dir": "/var/lib/poolhand/workers",
        "locks": "/var/lib/poolhand/locks",
        "wallet": f"{_PLACE}/{member.name}/wallet.json",
        "password-file": f"{_PLACE}/{member.name}/password",
        "status-port": "0",
    }
    return "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in told.items()
    )


def _unit(member: FleetMember) -> str:
    config = f"{_PLACE}/{member.name}/worker.toml"
    words = (_PROGRAM, "worker", "start", "--config", config)
    return unit_text(member.name, words, lines=("StateDirectory=poolhand",))


def _units_text(folder: FleetFolder, members: Sequence[FleetMember]) -> str:
    name = members[0].name if members else "NAME"
    return f"""\
One folder for each worker: its unit, its settings, its keystore (encrypted).
One wallet is for one worker: never start the same folder on two machines.

For each NAME, on a machine that has Docker and Poolhand ({_PROGRAM}), as root:

  1. Bring the folder there, over a line that nobody can read, from here:
       scp -r {name} root@MACHINE:
  2. There:
       install -d -m 700 {_PLACE}/{name}
       install -m 600 {name}/worker.toml {name}/wallet.json {_PLACE}/{name}/
       install -m 644 {name}/poolhand-{name}.service /etc/systemd/system/
       rm -r {name}
  3. Bring the password apart from the keystore, never in one file or mail, from here:
       ssh root@MACHINE 'umask 077; cat > {_PLACE}/{name}/password' < {folder.password}
  4. There:
       systemctl daemon-reload && systemctl enable --now poolhand-{name}

The worker is let in once its wallet has stake and coin: `poolhand fleet up` has seen to that.
When all have been brought, remove this folder: the fleet's own copies are in {folder.wallets}.
"""


# ------------------------------------------------------------------------------------------ compose


def write_compose(
    folder: FleetFolder, fleet: Fleet, members: Sequence[FleetMember], to: Path
) -> Path:
    """Write a compose file, and keystores beside it; return the text that says how.

    Raises:
        FilesThere: There is something.
    """
    check_compose_free(to)
    wallets, text = _beside(to)
    to.parent.mkdir(parents=True, exist_ok=True)
    wallets.mkdir(mode=0o700)
    for member in members:
        shutil.copyfile(folder.keystore(member), wallets / f"{member.name}.json")
        (wallets / f"{member.name}.json").chmod(0o444)  # the folder keeps others away
    write_private(to, _compose(folder.name, fleet, members, wallets.name), lasting=True)
    write_private(text, _compose_text(folder, to.name, wallets.name), lasting=True)
    return text


def check_compose_free(to: Path) -> None:
    """Check that a compose file, and what goes beside it, can be written; raises FilesThere."""
    _check_free(to, *_beside(to))


def _beside(compose: Path) -> tuple[Path, Path]:
    """Return the folder of keystores and the text that go beside a compose file."""
    stem = compose.stem
    return compose.parent / f"{stem}-secrets", compose.parent / f"{stem}-README.txt"


def _compose(name: str, fleet: Fleet, members: Sequence[FleetMember], wallets: str) -> str:
    told = {"IEXEC_CORE_URL": fleet.url, "POOL_ADDRESS": fleet.pool}
    told |= {
        _CONTAINER_VARIABLES[key]: value
        for key, value in fleet.settings.items()
        if key in _CONTAINER_VARIABLES
    }
    settings = "".join(f"  {key}: {_literally(value)}\n" for key, value in told.items())
    services = "".join(_services(each, fleet.slots) for each in members)
    volumes = "".join(f"  data-{each.name}: {{}}\n  line-{each.name}: {{}}\n" for each in members)
    secrets = "".join(
        f"  wallet-{each.name}: {{file: ./{wallets}/{each.name}.json}}\n" for each in members
    )
    return f"""\
# Workers of fleet {name}, each with its signer: docker compose --file THIS up --detach
# Each wallet is one worker's alone: never start this file on two machines.
# Images: poolhand/worker and poolhand/signer, as make images tells their tag (POOLHAND_VERSION).
# How it is brought here, and the password beside it: the text beside this file.
name: {json.dumps(name.lower())}

x-settings: &settings
{settings}
x-confined: &confined
  pull_policy: never  # no registry has these images: who gave one that name is a stranger
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  restart: unless-stopped
  stop_grace_period: 30s
  logging:
    driver: json-file
    options: {{max-size: 10m, max-file: "3"}}

services:
{services}
volumes:
{volumes}
secrets:
{secrets}  wallet-password: {{file: ./{wallets}/password}}
"""


def _literally(value: str) -> str:
    """Write a text that Compose takes as it is: of ``$`` it makes variables."""
    return json.dumps(value).replace("$", "$$")


def _services(member: FleetMember, slots: int) -> str:
    name = member.name
    return f"""\
  signer-{name}:
    <<: *confined
    image: poolhand/signer:${{POOLHAND_VERSION:?the tag of the images, as make images tells it}}
    user: "10002:10001"
    network_mode: none
    mem_limit: 256m
    pids_limit: 64
    environment:
      <<: *settings
      IEXEC_WORKER_WALLET_PATH: /run/secrets/wallet-{name}
      POOLHAND_WALLET_PASSWORD_FILE: /run/secrets/wallet-password
    volumes: ["line-{name}:/run/poolhand"]
    secrets: [wallet-{name}, wallet-password]
  worker-{name}:
    <<: *confined
    image: poolhand/worker:${{POOLHAND_VERSION:?the tag of the images, as make images tells it}}
    user: "10001:10001"
    group_add: ["${{DOCKER_GID:?the group of the engine's socket, see the text beside}}"]
    depends_on: [signer-{name}]
    environment:
      <<: *settings
      IEXEC_WORKER_NAME: {json.dumps(name)}
      IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT: "{slots}"
    tmpfs: ["/tmp:size=64m,mode=1777"]
    volumes:
      - line-{name}:/run/poolhand:ro
      - data-{name}:/data
      - /var/run/docker.sock:/var/run/docker.sock
"""


def _compose_text(folder: FleetFolder, file: str, wallets: str) -> str:
    return f"""\
{file} runs all these workers on one machine with Docker and the images of `make images`.
One wallet is for one worker: never start this file on two machines.

  1. Bring file and keystores (encrypted) there, over a line that nobody can read, from here:
       scp -r {file} {wallets} MACHINE:
  2. Bring the password apart from the keystores, never in one file or mail, from here:
       ssh MACHINE 'cat > {wallets}/password' < {folder.password}
  3. There (TAG as `make images` told it):
       echo "POOLHAND_VERSION=TAG" > .env
       echo "DOCKER_GID=$(stat -c %g /var/run/docker.sock)" >> .env
       docker compose --file {file} up --detach

The workers are let in once their wallets have stake and coin: `poolhand fleet up` has seen to that.
The folder {wallets} must stay, with mode 700, which keeps others of that machine away: the signers
read it at each start.
When all has been brought, remove it here: the fleet's own copies are in {folder.wallets}.
"""
