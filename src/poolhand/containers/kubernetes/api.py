"""The few calls of a cluster's API that a worker makes, over HTTP that is already authenticated.

Source: Kubernetes API reference, batch/v1, core/v1, networking.k8s.io/v1, metrics.k8s.io/v1beta1;
API concepts, "Delete options", "Retrieving logs".
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from poolhand.containers.kept_answer import KeptAnswer
from poolhand.containers.kubernetes.manifest import APP, APP_LABEL, ATTEMPT_LABEL
from poolhand.containers.kubernetes.pods import Pod, read_pod
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown
from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, ask, opened

API_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
"""Seconds."""
_CAPS: Final = Caps(size=64 * 1024**2, seconds=60.0)
"""Of an answer that is no log."""
_OWN: Final = f"{APP_LABEL}=poolhand"
_GONE, _CONFLICT = 404, 409
_AT_ONCE: Final = {
    "apiVersion": "v1",
    "kind": "DeleteOptions",
    "gracePeriodSeconds": 0,
    "propagationPolicy": "Background",
}


class KubernetesApi:
    """One namespace of a cluster.

    Args:
        http: Speaks to the API as this worker.
        namespace: Of all calls.
        kept: Seconds for which a list of pods is good: no more than one question in that time.
        clock: Seconds since whenever, never turned back.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        namespace: str,
        kept: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http, self.namespace = http, namespace
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._all_pods = KeptAnswer(self._ask, kept, clock)

    async def version(self) -> str:
        """Return the cluster's version."""
        return str((await self._call("GET", "/version"))["gitVersion"])

    async def create_job(self, manifest: Mapping[str, Any]) -> bool:
        """Create a job; tells whether there was none of its name before."""
        with self._all_pods.changing():
            return await self._call("POST", self._jobs, manifest, passes=(_CONFLICT,)) != {}

    async def jobs(self, label: str) -> list[dict[str, Any]]:
        """Return the jobs with a label (``key`` or ``key=value``)."""
        told = await self._call("GET", self._jobs, asked={"labelSelector": f"{_OWN},{label}"})
        return list(told.get("items") or ())

    async def delete_job(self, name: str) -> None:
        """Remove a job and its pod, at once; none is fine."""
        with self._all_pods.changing():
            await self._call("DELETE", f"{self._jobs}/{name}", _AT_ONCE, passes=(_GONE,))

    async def delete_pod(self, name: str) -> None:
        """Remove a pod at once, also from a node that is not heard of; none is fine."""
        with self._all_pods.changing():
            await self._call("DELETE", f"{self._pods}/{name}", _AT_ONCE, passes=(_GONE,))

    async def pods(self, run_label: str, run: str) -> list[Pod]:
        """Return the pods of a run, the newest attempt's last; of a second ago at most."""
        own = [
            read_pod(each, ATTEMPT_LABEL)
            for each in await self.all_pods()
            if (each["metadata"].get("labels") or {}).get(run_label) == run
        ]
        return sorted(own, key=lambda pod: pod.attempt)

    async def all_pods(self) -> list[dict[str, Any]]:
        """Return all pods of ours, as the API tells; who ask at a time share one question."""
        return await self._all_pods.get()

    async def _ask(self) -> list[dict[str, Any]]:
        told = await self._call("GET", self._pods, asked={"labelSelector": _OWN})
        return list(told.get("items") or ())

    async def log(self, pod: str, most: int) -> bytes:
        """Return the end of what a pod has printed, ``most`` bytes or a few lines more."""
        asked = {"container": APP, "tailLines": str(most)}
        path = f"{self._pods}/{pod}/log"
        kept = b""
        async with self._stream(path, asked) as pieces:
            async for piece in pieces:
                kept = (kept + piece)[-most:] if most else b""
        return kept

    @asynccontextmanager
    async def followed(
        self, pod: str, tail: int, *, live: bool
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open what a pod prints: its last lines, and with ``live`` what comes until it ends."""
        asked = {"container": APP, "tailLines": str(tail), "follow": str(live).lower()}
        async with self._stream(f"{self._pods}/{pod}/log", asked) as pieces:
            yield pieces

    @asynccontextmanager
    async def _stream(
        self, path: str, asked: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an answer in pieces; of a pod that is gone or has not begun there are none."""
        endless = httpx.Timeout(60.0, connect=10.0, read=None)
        caps = Caps(sys.maxsize, None)
        try:
            async with opened(
                self._http, "GET", path, caps, params=asked, timeout=endless
            ) as answer:
                yield answer.pieces(size=None) if answer.is_success else _nothing()
        except NoAnswer as fault:
            raise _down(f"GET {path}", str(fault)) from fault

    async def usage(self, pod: str) -> Mapping[str, Any] | None:
        """Return what metrics-server tells of a pod; None where it, or the pod, is not there."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{self.namespace}/pods/{pod}"
        told = await self._call("GET", path, passes=(_GONE, 403, 503))
        return told or None

    async def ensure_policy(self, manifest: Mapping[str, Any]) -> None:
        """Create a NetworkPolicy; that one of its name is there is fine."""
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/networkpolicies"
        await self._call("POST", path, manifest, passes=(_CONFLICT,))

    async def has_claim(self, name: str) -> bool:
        """Tell whether there is a volume claim of a name."""
        path = f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims/{name}"
        return await self._call("GET", path, passes=(_GONE,)) != {}

    async def may(self, group: str, resource: str, verb: str) -> bool:
        """Tell whether this worker may do something in its namespace."""
        name, _, part = resource.partition("/")
        asked = {"namespace": self.namespace, "group": group, "resource": name, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**asked, **({"subresource": part} if part else {})}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        told = await self._call("POST", path, review)
        return bool((told.get("status") or {}).get("allowed"))

    async def nodes(self) -> list[dict[str, Any]] | None:
        """Return all nodes; None where this worker may not see them."""
        told = await self._call("GET", "/api/v1/nodes", passes=(403,))
        return list(told["items"]) if told else None

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        asked: Mapping[str, str] | None = None,
        passes: tuple[int, ...] = (),
    ) -> dict[str, Any]:
        """Call; an answer with a status of ``passes`` is an empty one."""
        try:
            answer = await ask(self._http, method, path, _CAPS, json=body, params=asked)
        except (NoAnswer, AnswerTooLarge) as fault:
            raise _down(f"{method} {path}", str(fault)) from fault
        if answer.status in passes:
            return {}
        try:
            told = parse_json(answer.content)
        except ValueError as fault:
            raise _down(f"{method} {path}", f"status {answer.status}, no JSON") from fault
        if not isinstance(told, dict) or not answer.is_success:
            why = told.get("message") if isinstance(told, dict) else None
            raise _down(f"{method} {path}", f"status {answer.status}: {why}")
        return told


async def _nothing() -> AsyncIterator[bytes]:
    for piece in tuple[bytes, ...]():
        yield piece


def _down(what: str, why: str) -> RuntimeDown:
    return RuntimeDown(
        f"the Kubernetes cluster did not do what it was asked ({shown(f'{what}: {why}', 300)}): "
        "see that its API answers and that this worker's role allows it, then the worker goes on "
        "by itself"
    )
