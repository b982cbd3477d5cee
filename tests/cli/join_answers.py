"""What a pool answers to whoever joins it, on loopback."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from poolhand.scheduler.joining.join_files import JoinPlace, join_set
from poolhand.scheduler.joining.own_wheel import NAME, OwnWheel


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
    made = join_set(JoinPlace(**told, rpc=rpc), owner, OwnWheel(NAME, b""), "")
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
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            found = answers.get(self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            told = found or {"code": "not-found", "message": "Not Found"}
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
