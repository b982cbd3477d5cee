"""A Docker engine of HTTP alone, on a unix socket: what was asked of it can be read, no app runs.

It plays the peer that ``DockerRuntime`` talks to; a test scripts images, pulls and ends.
"""

from __future__ import annotations

import asyncio
import io
import json
import struct
import tarfile
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from aiohttp import web

IMAGE = "docker.io/owner/app@sha256:" + "ab" * 32
LABELS = {"poolhand.worker": "0x1"}
STARTED_AT = 1795824000.5
STARTED, ENDED = "2026-11-28T00:00:00.5Z", "2026-11-28T00:00:02.5Z"
PLAIN = {"Architecture": "amd64", "Os": "linux", "Config": {"User": "", "WorkingDir": ""}}


def frame(stream, text):
    return struct.pack(">BxxxL", stream, len(text)) + text


class FakeEngine:
    """Scripted through its attributes; ``created`` holds the bodies of ``containers/create``."""

    def __init__(self) -> None:
        self.images = {}
        self.arrives = {}  # what a pull makes present
        self.steps = [{"status": "Pull complete", "id": "layer"}]
        self.pull_status = 200
        self.on_pull = lambda: None
        self.hung_up = None  # an event: a pull lasts until who asked hangs up, and then sets it
        self.logins = []
        self.created, self.started, self.killed, self.removed = {}, [], [], []
        self.containers = {}
        self.on_start = lambda name: self.end(name)  # noqa: PLW0108 - replaced by tests
        self.silent_until = {}  # "archive", "start": an event before which it gives no answer
        self.fails_to_start = {}  # name: (status, message), of some containers alone
        self.forgotten = []  # images
        self.refusals = {}  # "create", "start", "logs", …: (status, message)
        self.exit_code = 0
        self.logs = frame(1, b"out\n") + frame(2, b"err\n")
        self.printing = asyncio.Queue()  # frames for who follows; None: the container has ended
        self.stats = {"memory_stats": {"usage": 7}, "pids_stats": {"current": 2},
                      "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000}}}  # fmt: skip
        self.working = {}  # image: {name: content} of its working folder
        self.info = {}  # of the whole engine, such as DockerRootDir
        self.version = {"Version": "20.10.24", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"}

    # ------------------------------------------------------------------------------- for the test

    def add(self, name, **state):
        """Put a container there that somebody else or an earlier life has made."""
        labels = state.pop("labels", {})
        self.containers[name] = {
            "Id": name, "Config": {"Labels": labels}, "ended": asyncio.Event(),
            "State": {"Status": "running", "StartedAt": STARTED, "FinishedAt": ENDED,
                      "ExitCode": self.exit_code, "OOMKilled": False} | state,
        }  # fmt: skip
        return self.containers[name]

    def end(self, name, code=None):
        box = self.containers[name]
        box["State"]["Status"] = "exited"
        box["State"]["ExitCode"] = self.exit_code if code is None else code
        box["ended"].set()

    # ----------------------------------------------------------------------------------- as HTTP

    def application(self):
        app = web.Application(client_max_size=2**24)
        prefix = r"/v{v:[0-9.]+}"
        routes = [
            ("GET", "/version", self._version), ("GET", f"{prefix}/version", self._version),
            ("GET", f"{prefix}/info", self._info),
            ("GET", prefix + r"/images/{image:.+}/json", self._image),
            ("POST", f"{prefix}/images/create", self._pull),
            ("DELETE", prefix + r"/images/{image:.+}", self._forget),
            ("POST", f"{prefix}/containers/create", self._create),
            ("GET", f"{prefix}/containers/json", self._list),
            ("GET", f"{prefix}/containers/{{name}}/json", self._inspect),
            ("GET", f"{prefix}/containers/{{name}}/archive", self._archive),
            ("HEAD", f"{prefix}/containers/{{name}}/archive", self._archive),
            ("GET", f"{prefix}/containers/{{name}}/logs", self._logs),
            ("GET", f"{prefix}/containers/{{name}}/stats", self._stats),
            ("POST", f"{prefix}/containers/{{name}}/start", self._start),
            ("POST", f"{prefix}/containers/{{name}}/wait", self._wait),
            ("POST", f"{prefix}/containers/{{name}}/kill", self._kill),
            ("DELETE", f"{prefix}/containers/{{name}}", self._remove),
        ]  # fmt: skip
        for method, path, handler in routes:
            app.router.add_route(method, path, handler)
        return app

    def _refused(self, what):
        status, message = self.refusals[what]
        return web.json_response({"message": message}, status=status)

    async def _info(self, _request):
        if "info" in self.refusals:
            return self._refused("info")
        return web.json_response(self.info)

    async def _version(self, _request):
        if "version" in self.refusals:
            return self._refused("version")
        return web.json_response(self.version)

    async def _image(self, request):
        found = self.images.get(request.match_info["image"])
        if "image" in self.refusals:
            return self._refused("image")
        if found is None:
            return web.json_response({"message": "no such image"}, status=404)
        return web.json_response(found)

    async def _forget(self, request):
        self.forgotten.append(request.match_info["image"])
        return web.json_response([])

    async def _import(self, request):
        if self.pull_status != 200:
            return web.json_response(self.steps[0], status=self.pull_status)
        self.images["{repo}:{tag}".format(**request.query)] = PLAIN
        return web.json_response({"status": "sha256:0"})

    async def _pull(self, request):
        if "fromSrc" in request.query:
            return await self._import(request)
        name = request.query["fromImage"]
        self.on_pull()
        self.logins.append(request.headers.get("X-Registry-Auth"))
        if self.pull_status != 200:
            return web.json_response(self.steps[0], status=self.pull_status)
        answer = web.StreamResponse()
        await answer.prepare(request)
        for step in self.steps:
            await answer.write(json.dumps(step).encode() + b"\n")
        if self.hung_up is not None:
            while request.transport is not None:  # noqa: ASYNC110 - a server is told in no other way
                await asyncio.sleep(0.005)
            self.hung_up.set()
        if not any("error" in step for step in self.steps):
            self.images.update({k: v for k, v in self.arrives.items() if name in k})
        return answer

    async def _create(self, request):
        name, body = request.query["name"], await request.json()
        if name in self.containers:
            return web.json_response({"message": "Conflict"}, status=409)
        if "create" in self.refusals:
            return self._refused("create")
        self.created[name] = body
        self.add(name, Status="created", labels=body.get("Labels") or {})
        return web.json_response({"Id": name, "Warnings": []}, status=201)

    async def _start(self, request):
        name = request.match_info["name"]
        if name in self.fails_to_start:
            status, message = self.fails_to_start[name]
            return web.json_response({"message": message}, status=status)
        if "start" in self.refusals:
            return self._refused("start")
        self.started.append(name)
        self.containers[name]["State"]["Status"] = "running"
        self.on_start(name)
        if "start" in self.silent_until:
            await self.silent_until["start"].wait()
        return web.Response(status=204)

    def _box(self, request):
        name = request.match_info["name"]
        if name not in self.containers:
            text = json.dumps({"message": f"No such container: {name}"})
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return self.containers[name]

    async def _list(self, request):
        (wanted,) = json.loads(request.query["filters"])["label"]
        key, _, value = wanted.partition("=")
        found = [n for n, b in self.containers.items() if b["Config"]["Labels"].get(key) == value]
        return web.json_response([{"Id": name, "Names": [f"/{name}"]} for name in found])

    async def _inspect(self, request):
        box = self._box(request)
        told = {key: box[key] for key in ("Id", "Config", "State")}
        return web.json_response(told | {"Mounts": box.get("Mounts", [])})

    async def _archive(self, request):
        self._box(request)
        if "archive" in self.silent_until:
            await self.silent_until["archive"].wait()
        if "archive" in self.refusals:
            return self._refused("archive")
        image = self.created[request.match_info["name"]]["Image"]
        return web.Response(body=packed(request.query["path"], self.working.get(image, {})))

    async def _logs(self, request):
        self._box(request)
        if "logs" in self.refusals:
            return self._refused("logs")
        if request.query.get("follow") != "1":
            return web.Response(body=self.logs)
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(self.logs)
        while (piece := await self.printing.get()) is not None:
            await answer.write(piece)
        return answer

    async def _stats(self, request):
        self._box(request)
        return web.json_response(self.stats)

    async def _wait(self, request):
        box = self._box(request)
        if "wait" in self.refusals:
            return self._refused("wait")
        await box["ended"].wait()
        return web.json_response({"StatusCode": box["State"]["ExitCode"]})

    async def _kill(self, request):
        if self._box(request)["ended"].is_set():
            return web.json_response({"message": "it is not running"}, status=409)
        self.killed.append(request.match_info["name"])
        self.end(request.match_info["name"], 137)
        return web.Response(status=204)

    async def _remove(self, request):
        box = self._box(request)
        name = request.match_info["name"]
        self.removed.append(name)
        del self.containers[name]
        box["ended"].set()
        return web.Response(status=204)


def packed(path, entries):
    """Return a folder as the engine packs it: a tar whose names begin with the folder's own."""
    top, buffer = path.rstrip("/").rpartition("/")[2], io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        whole = tarfile.TarInfo(top)
        whole.type, whole.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(whole)
        for name, content in entries.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo()
            info.name = f"{top}/{name}"
            data = b"" if isinstance(content, tarfile.TarInfo) else content
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@asynccontextmanager
async def serving(engine: FakeEngine):
    """Yield the URL at which the engine answers."""
    with TemporaryDirectory() as folder:
        path = f"{folder}/engine.sock"
        runner = web.AppRunner(engine.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, path).start()
        try:
            yield f"unix://{path}"
        finally:
            await runner.cleanup()
