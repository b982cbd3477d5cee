"""Settings of a running worker over its page: what holds, and changing it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field
from starlette.requests import Request

from poolhand.transport.described import DescribedRoute, body_told
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.plain import read_body
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.notice_watch import NoticeWatch

MOST_SETTING_TEXT: Final = 4_096
"""Characters of one value."""


class SettingsOrder(BaseModel):
    """Settings to change, by name, each as a flag would have it; an empty text takes one back."""

    changes: Annotated[
        dict[
            Annotated[str, Field(max_length=64)],
            Annotated[str, Field(max_length=MOST_SETTING_TEXT)],
        ],
        Field(min_length=1, max_length=64),
    ]


def settings_routes(live: LiveSettings, notices: NoticeWatch) -> tuple[DescribedRoute, ...]:
    """Return the endpoints; they ask for no token, ``transport.bearer`` does.

    Args:
        live: Holds them.
        notices: Tells the owner of troubles.
    """

    async def show(_: Request) -> JsonAnswer:
        """Tell every setting that may be changed while the worker runs, and where it comes from."""
        return JsonAnswer(live.show())

    async def change(request: Request) -> JsonAnswer:
        """Change some, at once and over restarts; all of them or, where one is refused, none."""
        order = await read_body(request, SettingsOrder)
        live.set(order.changes)
        return JsonAnswer(live.show())

    async def notify(_: Request) -> JsonAnswer:
        """Bring a notice to every target; tells why it does not arrive, null where it does."""
        return JsonAnswer({"brought": dict(await notices.test())})

    def answers(extra: dict[str, Any]) -> dict[str, Any]:
        return {
            "response_model": dict[str, Any],
            "responses": ENDPOINT_FAULT_ANSWERS,
            "openapi_extra": extra,
        }

    return (
        DescribedRoute("/v1/settings", show, "GET", lambda: answers({})),
        DescribedRoute("/v1/settings", change, "POST", lambda: answers(body_told(SettingsOrder))),
        DescribedRoute("/v1/notify", notify, "POST", lambda: answers({})),
    )
