"""What a pool answers to whoever joins it, on loopback."""

from __future__ import annotations

import json
from contextlib import contextmanager

from local_http import Handler, serving
from poolhand.scheduler.joining.join_files import JoinPlace, join_set
from poolhand.scheduler.joining.own_wheel import WHEEL_NAME, OwnWheel


def pool_answers(market, owner=None, rpc="http://chain.test", **place):
    """Return what the market's pool answers, or what else it is to say."""
    facts, owned = market.chain.facts, market.pool
    owner = owned.owner if owner is None else owner
    told = {
        "chain_id": facts.chain_id,
        "hub": facts.hub,
        "workerpool": owned.workerpool,
        "url": "http://pool.test",
        **place,
    }
    made = join_set(JoinPlace(**told, rpc=rpc), owner, OwnWheel(WHEEL_NAME, b""), "")
    config = {
        "chain_id": told["chain_id"],
        "hub": str(told["hub"]),
        "workerpool": str(told["workerpool"]),
        "owner": str(owner.address),
        "results_url": "",
    }
    manifest = made.manifest.model_dump(mode="json")
    return {"/join/manifest.json": manifest, "/v1/config": config}


@contextmanager
def answering(answers):
    class Answers(Handler):
        def do_GET(self):  # noqa: N802 - the name that is called
            found = answers.get(self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            told = found or {"code": "not-found", "message": "Not Found"}
            self.wfile.write(json.dumps(told).encode())

    with serving(Answers) as url:
        yield url
