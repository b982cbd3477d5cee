"""A service with few descriptors, as a program of its own: ``python crowded_service.py SOFT BOUND``.

Writes its port, then serves until it is ended. ``BOUND`` 0: with limits that its descriptors do not
suffice for, so that it runs out of them.
"""

import asyncio
import resource
import sys

from poolhand import observe
from poolhand.transport.asgi import application, service_router
from poolhand.transport.listen import serve
from poolhand.transport.waiting import ServiceLimits, WaitingRoom

router = service_router()
FAR = WaitingRoom(1_000, 1_000)


@router.get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


def tell(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    soft, bound = int(sys.argv[1]), sys.argv[2] == "1"
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
    observe.configure(json=True)
    limits = None if bound else ServiceLimits(FAR, FAR, FAR, requests=1_000)
    app = application("crowded", [router])
    asyncio.run(serve(app, "127.0.0.1", 0, tell, limits=limits))
