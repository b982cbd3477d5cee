"""What enclaves cost a task: one in *simulated* enclaves beside a usual one, on one devnet.

Both compute nothing and are paid in one transaction; three containers and two proofs are what the
confidential one has more. From the block of the deal to that of the end, so whole blocks count.
"""

from __future__ import annotations

from bench.figures import Sample
from bench.frame import Job, Keys
from bench.overhead import NOOP, took
from poolhand.devnet.demo import requester_settings
from poolhand.devnet.images import publish
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.up import devnet
from poolhand.domain.tag import NO_TAG
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.trust import Trust
from poolhand.requester.main import open_requester
from poolhand.requester.wish import Wish

ROUNDS = 10
"""Of each of the two."""
TAGS = {"usual": NO_TAG, "confidential": TeeFramework.TDX.tag}


async def keys(job: Job) -> Keys:
    """Buy one after the other, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in TAGS}
    plan = DevnetPlan(job.home, 2, 1, tee="simulated")
    async with devnet(plan, lambda _: None) as running:
        await publish(NOOP, "poolhand/noop:1.0", running.info.registry)
        async with open_requester(requester_settings(running.info, job.home)) as requester:
            image = f"{running.info.registry}/poolhand/noop:1.0"
            app = (await requester.deploy_app(image, "noop")).address
            for turn in range(job.scaled(ROUNDS) + 1):
                for name, tag in TAGS.items():
                    wish = Wish(app, trust=Trust(1), tag=tag, args=f"{name} {turn}",
                                accepts_simulated_tee=True)  # fmt: skip
                    taken = await took(requester, wish)
                    if turn:  # the first one of each pulls images
                        seconds[name].append(taken)
                        job.say(f"{name:>12}: {taken:.2f} s")
    usual, confidential = (Sample.of(seconds[name]) for name in TAGS)
    return {
        "tee": {
            "overhead_s": round(confidential.p50 - usual.p50, 3),
            "usual_s": usual.dump(),
            "confidential_s": confidential.dump(),
        }
    }
