"""Hostile images at the level `runc`: what is not provoked one by one in ``test_docker_sandbox``.

``make hostile`` runs all of them at every level; docs/sandbox.md has what was seen.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from container_world import ENGINE
from hostile.arena import arena
from hostile.attacks import ATTACKS

pytestmark = pytest.mark.docker

BY_NAME = {attack.name: attack for attack in ATTACKS}
QUICK = (
    replace(BY_NAME["fork_bomb"], seconds=2),
    replace(BY_NAME["long_log"], seconds=2),
    *(BY_NAME[name] for name in ("set_uid", "p_trace", "host_reads", "links", "kill_all")),
)


async def test_hostile_images_are_contained_and_their_neighbours_end_right():
    async with arena(ENGINE, "runc") as made:
        found = {attack.name: await made.strike(attack) for attack in QUICK}
    assert {name: each.words for name, each in found.items() if not each.contained} == {}
