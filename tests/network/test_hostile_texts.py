"""Texts that no encoder takes, bought with one task: they end that task and nobody's program."""

from __future__ import annotations

import pytest

from network.world import writes
from poolhand.containers.noop import ended, folder_of
from poolhand.domain.replicate.status import Status
from poolhand.domain.text import is_plain

PARAMS = r'{"iexec_args":"x","iexec_input_files":["https://a\ud800b.example/x"]}'
"""As the case has it."""


def leaves(computed: bytes, name: str = "result.txt", stderr: bytes = b""):
    """Return an app that leaves a ``computed.json`` and a file, and says something."""

    def app(spec):
        out = folder_of(spec, "/iexec_out")
        (out / name).write_text("42")
        (out / "computed.json").write_bytes(computed)
        return ended(stderr=stderr)

    return app


GOOD = b'{"deterministic-output-path": "/iexec_out"}'
APPS = {
    "surrogate in computed.json": leaves(rb'{"deterministic-output-path":"/iexec_out/\ud800"}'),
    "surrogate in a member's name": leaves(rb'{"\ud800":1}'),
    "terminal escape in a path": leaves(rb'{"deterministic-output-path":"/iexec_out/\u001b[2J"}'),
    "bidirectional name": leaves(GOOD, "a\u202egpj.exe"),
    "name that is no Unicode": leaves(GOOD, b"caf\xe9".decode(errors="surrogateescape")),
    "escape in the last words": lambda spec: ended(1, stderr=b"\x1b[2J\xff\xfe\x00 no luck"),
}


def hostile_at_first(evil):
    """Return an app that is evil in its first container and honest in every other one."""
    honest, seen = writes("fine"), []

    def app(spec):
        seen.append(spec.name)
        return evil(spec) if spec.name == seen[0] else honest(spec)

    return app


async def ends_and_goes_on(world, deal, status) -> str:
    """Let a deal fail, then another one succeed on the same worker; return why the first failed."""
    (node,) = world.nodes
    ((_, task_id),) = deal.tasks()
    await world.until(lambda: world.task(task_id).attempts)
    await world.until(lambda: world.task(task_id).attempts[0].status in status)
    why = [line.detail for line in world.task(task_id).attempts[0].log if line.detail]
    await node.kill()  # whatever it wrote down must not end it at the next start
    node.start()
    await world.settle()
    await world.deal()
    after = world.deals[-1].tasks()
    ((_, next_id),) = after
    await world.until(lambda: world.task(next_id).attempts[-1].status is Status.COMPLETED)
    assert node.is_up
    return " ".join(why)


@pytest.mark.case("A1", "A12")
@pytest.mark.parametrize("evil", APPS)
async def test_an_apps_hostile_text_fails_its_task_in_plain_words(network, evil):
    world = await network(workers=0)
    world.add(hostile_at_first(APPS[evil]))
    await world.start()
    deal = await world.deal()
    why = await ends_and_goes_on(world, deal, {Status.COMPUTE_FAILED, Status.FAILED})
    assert why
    assert is_plain(why)


@pytest.mark.case("A1")
async def test_params_with_half_of_a_surrogate_pair_are_declined_in_plain_words(network):
    world = await network(workers=1)
    await world.start()
    deal = await world.deal(params=PARAMS)
    why = await ends_and_goes_on(world, deal, {Status.FAILED})
    assert "half of a surrogate pair" in why
    assert world.nodes[0].runtime.computations.total() == 1, "only the second deal was computed"
