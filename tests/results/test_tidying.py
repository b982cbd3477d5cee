"""Which archives are kept, and how long."""

from __future__ import annotations

from results_world import Scene, archive, digest_of, files_left


async def test_archives_that_lost_are_removed_and_the_result_stays(scene):
    worker, other = scene.workers[:2]
    offer = await scene.offer(worker)
    await scene.put(other, scene.share(other, offer), archive("forged"))
    await scene.put(worker, offer)
    assert await scene.intake.tidy_up() == 0
    await scene.settle(worker, offer, digest_of())
    assert await scene.intake.tidy_up() == 1
    assert await scene.intake.tidy_up() == 0
    assert (await scene.get(offer.task_id)).status_code == 200


async def test_archives_of_a_task_that_was_never_settled_go_after_its_deadline(scene):
    worker = scene.workers[0]
    offer = await scene.offer(worker, start=False)
    await scene.put(worker, offer)
    scene.chain.mine(3000 - 10)
    assert await scene.intake.tidy_up() == 0
    scene.chain.mine(20)
    assert await scene.intake.tidy_up() == 1
    assert files_left(scene) == []


async def test_a_result_is_kept_as_long_as_the_operator_says(tmp_path):
    scene = await Scene(tmp_path / "vault", keep=3600).open()
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    await scene.put(worker, offer)
    await scene.market.finalize(offer.task_id)
    scene.clock.advance(3600)
    assert await scene.intake.tidy_up() == 0
    scene.clock.advance(1)
    assert await scene.intake.tidy_up() == 1
