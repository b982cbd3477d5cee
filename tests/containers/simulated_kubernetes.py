"""A simulated Kubernetes: the shapes of its API as its reference documents them, and no cluster.

It answers the calls that a worker makes, keeps jobs and pods, refuses what the real API refuses of a
Job (unknown fields, a name that is no DNS label, an image or claim that is not named), and lets a
test move a pod through the states that a kubelet reports. Apps are functions of the test's; nothing
is contained. What a real cluster does beyond that, these tests cannot tell.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from poolhand.devnet.ports import LOOPBACK_ADDRESS, free_port
from poolhand.transport.listen import bind, port_of, serve_on

NAMESPACE = "work"
CLAIMS = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
KNOWN = {
    "job": {"backoffLimit", "completions", "parallelism", "ttlSecondsAfterFinished", "template"},
    "pod": {
        "restartPolicy", "automountServiceAccountToken", "enableServiceLinks", "dnsPolicy",
        "shareProcessNamespace", "terminationGracePeriodSeconds", "activeDeadlineSeconds",
        "hostname", "dnsConfig", "securityContext", "tolerations", "containers", "volumes",
        "affinity",
    },
    "container": {
        "name", "image", "imagePullPolicy", "env", "resources", "securityContext", "args",
        "terminationMessagePath", "volumeMounts", "workingDir",
    },
}  # fmt: skip
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(code: int, reason: str, message: str) -> JSONResponse:
    told = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}  # fmt: skip
    return JSONResponse(told, status_code=code)


class Refusal(Exception):
    """What the real API's validation would say."""


def check(members: dict, known: str, where: str) -> None:
    unknown = members.keys() - KNOWN[known]
    if unknown:
        raise Refusal(f"strict decoding error: unknown field {where}.{min(unknown)}")


def check_job(job: dict) -> None:
    labels = {**job["metadata"]["labels"], **job["spec"]["template"]["metadata"]["labels"]}
    for key, value in labels.items():
        if (value and not LABEL.fullmatch(value)) or not LABEL.fullmatch(key.rpartition("/")[2]):
            raise Refusal(f"metadata.labels: Invalid value: {key}={value}")
    if not DNS_LABEL.fullmatch(job["metadata"]["name"]):
        raise Refusal(f"metadata.name: Invalid value: {job['metadata']['name']}")
    pod = job["spec"]["template"]["spec"]
    check(job["spec"], "job", "spec")
    check(pod, "pod", "spec.template.spec")
    volumes = {each["name"] for each in pod["volumes"]}
    for container in pod["containers"]:
        check(container, "container", "spec.template.spec.containers[0]")
        for mount in container["volumeMounts"]:
            if mount["name"] not in volumes or mount.get("subPath", "").startswith("/"):
                raise Refusal(f"volumeMounts: Invalid value: {mount}")
        if not all(isinstance(each["value"], str) for each in container["env"]):
            raise Refusal("env: Invalid value")


class SimulatedKubernetes:
    """A simulated cluster of a few nodes.

    Args:
        shared: The folder behind the claim ``shared``.
        run: Plays an app: gets its arguments and folders by target, and a print function.
    """

    def __init__(self, shared: Path, run) -> None:
        self.shared, self._run = shared, run
        self.nodes = ["n1", "n2"]
        self.jobs: dict[str, dict] = {}
        self.pods: dict[str, dict] = {}
        self.logs: dict[str, bytes] = {}
        self.policies: list[dict] = []
        self.asked: list[str] = []
        self.failing: int = 0
        self.is_away = False
        self.forbidden: set[tuple[str, str]] = set()
        self.behaves = "runs"
        self.log_lag: asyncio.Event | None = None
        """Until it is set, who follows what is printed waits."""
        self._names = (f"{number:05x}" for number in itertools.count(1))
        self._tasks: dict[str, asyncio.Task] = {}

    @asynccontextmanager
    async def client(self):
        async with self.serving() as url, httpx.AsyncClient(base_url=url) as http:
            yield http

    @asynccontextmanager
    async def serving(self):
        """Serve the API on this computer; yields its address."""
        listener = bind(LOOPBACK_ADDRESS, free_port(0))
        serving = asyncio.create_task(serve_on(self._app(), listener))
        yield f"http://{LOOPBACK_ADDRESS}:{port_of(listener)}"
        for task in (serving, *self._tasks.values()):
            task.cancel()
        await asyncio.gather(serving, *self._tasks.values(), return_exceptions=True)

    def _app(self) -> Starlette:
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        policies = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"
        metrics = f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods/{{name}}"
        return Starlette(
            routes=[
                Route("/version", self._version),
                Route(JOBS, self._create_job, methods=["POST"]),
                Route(JOBS, self._list_jobs),
                Route(JOBS + "/{name}", self._delete_job, methods=["DELETE"]),
                Route(pods, self._list_pods),
                Route(pods + "/{name}", self._delete_pod, methods=["DELETE"]),
                Route(pods + "/{name}/log", self._log),
                Route(policies, self._create_policy, methods=["POST"]),
                Route("/api/v1/nodes", self._list_nodes),
                Route(CLAIMS + "/{name}", self._claim),
                Route(REVIEWS, self._review, methods=["POST"]),
                Route(metrics, self._metrics),
            ]
        )

    async def _version(self, _: Request) -> Response:
        return JSONResponse({"major": "1", "minor": "32", "gitVersion": "v1.32.3"})

    # ------------------------------------------------------------------------------------- jobs

    async def _create_job(self, request: Request) -> Response:
        if self.failing:
            return status(self.failing, "Forbidden", "jobs.batch is forbidden: cannot create")
        job = json.loads(await request.body())
        name = job["metadata"]["name"]
        if name in self.jobs:
            return status(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        try:
            check_job(job)
        except Refusal as fault:
            return status(422, "Invalid", f'Job.batch "{name}" is invalid: {fault}')
        job["metadata"] |= {"namespace": NAMESPACE, "creationTimestamp": stamp(), "uid": name}
        job["status"] = {"active": 1, "startTime": stamp()}
        self.jobs[name] = job
        self._make_pod(job)
        return JSONResponse(job, status_code=201)

    async def _list_jobs(self, request: Request) -> Response:
        self.asked.append("jobs")
        return self._listed("JobList", "batch/v1", self.jobs, request)

    async def _delete_job(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.jobs:
            return status(404, "NotFound", f'jobs.batch "{name}" not found')
        options = json.loads(await request.body())
        assert options["propagationPolicy"] == "Background", "else its pod is orphaned"
        del self.jobs[name]
        for pod in [n for n, each in self.pods.items() if owner(each) == name]:
            self.remove_pod(pod)
        return JSONResponse({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    # ------------------------------------------------------------------------------------- pods

    def _make_pod(self, job: dict) -> None:
        template = json.loads(json.dumps(job["spec"]["template"]))
        name = f"{job['metadata']['name']}-{next(self._names)}"
        template["metadata"] |= {
            "name": name,
            "namespace": NAMESPACE,
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": job["metadata"]["name"],
                    "uid": job["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        }
        template["status"] = {"phase": "Pending", "conditions": []}
        self.pods[name], self.logs[name] = template, b""
        allowed = [each for each in self.nodes if each not in excluded(template["spec"])]
        if self.behaves == "unschedulable" or not allowed:
            self.set_status(name, phase="Pending", conditions=[{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/2 nodes are available: 2 Insufficient cpu."}])  # fmt: skip
            return
        template["spec"]["nodeName"] = allowed[0]
        if self.behaves.startswith("waiting:"):
            _, reason, message = self.behaves.split(":", 2)
            self.set_state(name, "Pending", {"waiting": {"reason": reason, "message": message}})
            return
        self.set_state(name, "Running", {"running": {"startedAt": stamp()}})
        self._tasks[name] = asyncio.create_task(self._play(name))

    async def _play(self, name: str) -> None:
        container = self.pods[name]["spec"]["containers"][0]
        folders = {
            each["mountPath"]: self.shared / each["subPath"]
            for each in container["volumeMounts"]
            if each["name"] == "shared"
        }
        began = self.pods[name]["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]

        def tell(data: bytes) -> None:
            self.logs[name] += data

        code, reason = await self._run(container.get("args", []), folders, tell)
        self.end(name, code, reason, began)

    def end(self, name: str, code: int, reason: str, began: str) -> None:
        """Tell of a container as a kubelet does once it has ended."""
        ended = {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": stamp(),
                 "containerID": "containerd://ab"}  # fmt: skip
        self.set_state(name, "Failed" if code else "Succeeded", {"terminated": ended})
        job = self.jobs[owner(self.pods[name])]
        job["status"] = {"failed": 1} if code else {"succeeded": 1}

    def set_state(self, name: str, phase: str, state: dict) -> None:
        image = self.pods[name]["spec"]["containers"][0]["image"]
        is_running = "running" in state
        told = {"name": "app", "image": image, "imageID": image, "restartCount": 0,
                "ready": is_running, "started": is_running, "state": state}  # fmt: skip
        self.set_status(name, phase=phase, containerStatuses=[told])

    def set_status(self, name: str, **members) -> None:
        self.pods[name]["status"] = {"conditions": [], **members}

    def lose_node(self, node: str) -> None:
        """Tell of a node's pods as the cluster does once it has given the node up."""
        self.nodes.remove(node)
        for name, pod in self.pods.items():
            if pod["spec"].get("nodeName") == node:
                self._tasks[name].cancel()
                pod["metadata"]["deletionTimestamp"] = stamp()
                pod["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True",
                                                "reason": "DeletionByTaintManager"}]  # fmt: skip

    def remove_pod(self, name: str) -> None:
        if name in self._tasks:
            self._tasks.pop(name).cancel()
        del self.pods[name]

    async def _list_pods(self, request: Request) -> Response:
        self.asked.append("pods")
        if self.is_away:
            return status(503, "ServiceUnavailable", "the server is currently unable to handle it")
        return self._listed("PodList", "v1", self.pods, request)

    async def _delete_pod(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.pods:
            return status(404, "NotFound", f'pods "{name}" not found')
        self.remove_pod(name)
        return JSONResponse({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    async def _log(self, request: Request) -> Response:
        name, asked = request.path_params["name"], request.query_params
        if name not in self.pods:
            return status(404, "NotFound", f'pods "{name}" not found')
        state = self.pods[name]["status"].get("containerStatuses", [{}])[0].get("state", {})
        if "waiting" in state or not state:
            return status(400, "BadRequest", 'container "app" in pod is waiting to start')
        tail = int(asked["tailLines"])
        if asked.get("follow") == "true":
            return StreamingResponse(self._following(name, tail), media_type="text/plain")
        return PlainTextResponse(last_lines(self.logs[name], tail))

    async def _following(self, name: str, tail: int):
        told = len(self.logs[name])
        yield last_lines(self.logs[name], tail)
        while True:
            if self.log_lag is not None:
                await self.log_lag.wait()
            if name not in self.pods:
                return
            state = self.pods[name]["status"]["containerStatuses"][0]["state"]
            is_over = "running" not in state
            fresh, told = self.logs[name][told:], len(self.logs[name])
            if fresh:
                yield fresh
            if is_over:
                return
            await asyncio.sleep(0.01)

    # ----------------------------------------------------------------------------------- others

    async def _create_policy(self, request: Request) -> Response:
        policy = json.loads(await request.body())
        if policy in self.policies:
            return status(409, "AlreadyExists", "networkpolicies already exists")
        self.policies.append(policy)
        return JSONResponse(policy, status_code=201)

    async def _claim(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name != "shared":
            return status(404, "NotFound", f'persistentvolumeclaims "{name}" not found')
        return JSONResponse({"kind": "PersistentVolumeClaim", "metadata": {"name": name}})

    async def _review(self, request: Request) -> Response:
        review = json.loads(await request.body())
        asked = review["spec"]["resourceAttributes"]
        is_allowed = (asked["verb"], asked["resource"]) not in self.forbidden
        return JSONResponse({**review, "status": {"allowed": is_allowed}}, status_code=201)

    async def _list_nodes(self, _: Request) -> Response:
        items = [
            {"metadata": {"name": each}, "spec": {}, "status": {"allocatable": {"cpu": "3920m"}}}
            for each in self.nodes
        ]
        return JSONResponse({"kind": "NodeList", "apiVersion": "v1", "items": items})

    async def _metrics(self, request: Request) -> Response:
        usage = {"cpu": "12m", "memory": "5Mi"}
        return JSONResponse({"kind": "PodMetrics", "metadata": {},
                             "containers": [{"name": "app", "usage": usage}]})  # fmt: skip

    def _listed(self, kind: str, version: str, found: dict, request: Request) -> Response:
        wanted = [
            each.partition("=")[::2] for each in request.query_params["labelSelector"].split(",")
        ]
        items = [each for each in found.values() if matches(each["metadata"]["labels"], wanted)]
        return JSONResponse({"kind": kind, "apiVersion": version, "metadata": {}, "items": items})


def matches(labels: dict[str, str], wanted) -> bool:
    """Tell whether labels are selected: ``key=value``, or a key alone for any value."""
    return all(key in labels and (not value or labels[key] == value) for key, value in wanted)


def owner(pod: dict) -> str:
    return pod["metadata"]["ownerReferences"][0]["name"]


def excluded(pod: dict) -> set[str]:
    rule = pod.get("affinity", {}).get("nodeAffinity", {})
    terms = rule.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms")
    fields = terms[0]["matchFields"] if terms else []
    return {value for each in fields for value in each["values"]}


def last_lines(printed: bytes, tail: int) -> bytes:
    lines = printed.splitlines(keepends=True)
    return b"".join(lines[-tail:]) if tail else b""
