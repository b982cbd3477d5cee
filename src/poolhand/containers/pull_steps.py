"""One pull as an engine tells of it, step by step; what it quotes of a registry has an end here.

The client library's own call reads an error of any length, and closes nothing when it is given up:
the engine would go on pulling what nobody awaits. Hence its session is used directly.

Source: Docker Engine API 1.41, ``POST /images/create``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

import aiohttp
from aiodocker import Docker, DockerError
from aiodocker.utils import compose_auth_header
from aiohttp.http_exceptions import LineTooLong

from poolhand.containers.engine import AnswerTooLong
from poolhand.domain.json_text import parse_json

TOLD_AS_STEP: Final = 0
"""The status of an error that is told as a step, or that is too long to be read."""
MOST_PULL_WORDS: Final = 64 * 1024
"""Characters of what an engine says that are kept."""
_CONNECT: Final = 10
"""Seconds."""


async def pull_steps(
    docker: Docker, reference: str, credentials: dict[str, str] | None
) -> AsyncGenerator[dict[str, Any], None]:
    """Have an image pulled, and yield what the engine tells of it; given up, the pull ends.

    Args:
        docker: The engine.
        reference: Of the image, with its digest.
        credentials: Of its registry, as the engine takes them.

    Raises:
        DockerError: The pull failed.
        aiohttp.ClientError: The engine is away, or left.
    """
    url = f"{docker.docker_host}/{docker.api_version}/images/create"
    headers = {} if credentials is None else {"X-Registry-Auth": compose_auth_header(credentials)}
    lasts = aiohttp.ClientTimeout(total=None, connect=_CONNECT)
    asked = {"fromImage": reference}
    async with docker.session.post(url, params=asked, headers=headers, timeout=lasts) as answer:
        try:
            if answer.status != 200:
                raise DockerError(answer.status, _message(await answer.read()))
            while line := await answer.content.readline():
                yield _step(line)
        except (AnswerTooLong, LineTooLong) as fault:
            raise DockerError(TOLD_AS_STEP, str(fault)) from fault
        finally:
            answer.close()


def _step(line: bytes) -> dict[str, Any]:
    step = _members(line)
    if step is None:
        raise DockerError(TOLD_AS_STEP, _words(line))
    if "error" in step or "errorDetail" in step:
        detail = step.get("errorDetail")
        told = detail.get("message") if isinstance(detail, dict) else None
        raise DockerError(TOLD_AS_STEP, str(told or step.get("error"))[:MOST_PULL_WORDS])
    return step


def _message(body: bytes) -> str:
    """Return what an engine says with an error."""
    said = (_members(body) or {}).get("message")
    return str(said)[:MOST_PULL_WORDS] if said else _words(body)


def _members(text: bytes) -> dict[str, Any] | None:
    try:
        told = parse_json(text)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _words(text: bytes) -> str:
    return text[:MOST_PULL_WORDS].decode(errors="replace")
