"""Talking to a running worker over its status page."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from poolhand.domain.errors import PeerFault, PoolhandError, Raced, Refused, Unavailable
from poolhand.domain.json_text import parse_json

if TYPE_CHECKING:
    from poolhand.worker.pid_file import PidFile

TOKEN: Final = "POOLHAND_WORKER_TOKEN"  # noqa: S105 - the name of a variable
LONGEST_PAGE_ANSWER: Final = 30.0
"""For one answer of the page: one that is gone refuses at once, a slow one takes its time."""
MOST_PAGE_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of one answer."""
MOST_PAGE_LINE: Final = 65_536
"""Bytes of one line."""
LAST_BREATH: Final = 60.0
"""Seconds that a worker may take from its last answer to the end of its process."""


class WorkerSilent(Unavailable):
    """No worker answers at the status page."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"no worker answers at {url}: start one with `poolhand worker start`, or name "
            "another with --name, --base or --url"
        )


class NoToken(Refused):
    """An order to a worker without its token."""

    def __init__(self) -> None:
        super().__init__(
            "an order needs the worker's token, which is in its folder: "
            f"name the folder with --base, or set {TOKEN} to the token in its worker.json"
        )


class _Told(PoolhandError):
    """What a worker answers that did not carry out an order, by its own code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self._code = code

    @property
    def code(self) -> str:
        """The worker's word."""
        return self._code


class OrderRefused(_Told, Refused):
    """The worker does not take the order."""


class OrderRaced(_Told, Raced):
    """The chain moved while the worker carried it out."""


class OrderUnavailable(_Told, Unavailable):
    """What the worker needs for it does not answer, or the worker itself does not any more."""


class PageFault(_Told, PeerFault):
    """The worker, or what answers in its place, has a fault of its own."""


@dataclass(frozen=True, slots=True)
class Page:
    """A worker's status page; ``pid_file`` is what its folder says of it, if that was named."""

    url: str
    token: str = field(repr=False)
    pid_file: PidFile | None = None

    @property
    def address(self) -> str:
        """The address that shows the page in a browser.

        Raises:
            NoToken: It is not known by which token.
        """
        if not self.token:
            raise NoToken
        return page_address(self.url, self.token)

    def status(self, time_limit: float = LONGEST_PAGE_ANSWER) -> dict[str, Any]:
        """Ask what the worker does.

        Args:
            time_limit: Seconds for the worker's answer.

        Raises:
            WorkerSilent: It does not answer, or something else does.
        """
        status, told = self._ask("GET", "status", time_limit)
        if status != 200:
            raise WorkerSilent(self.url)
        return told

    def read(self, what: str) -> dict[str, Any]:
        """Ask for something that is told to everybody.

        Raises:
            OrderRefused, OrderUnavailable, PageFault: It is not told; the message says why.
            WorkerSilent: It does not answer.
        """
        status, told = self._ask("GET", what, LONGEST_PAGE_ANSWER)
        if status != 200:
            raise _refusal(status, told)
        return told

    def tell(self, what: str) -> dict[str, Any]:
        """Ask for something that is told to whoever has the token; raises as ``order``."""
        return self._with_token("GET", what, LONGEST_PAGE_ANSWER)

    def hand_in(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Hand something in that proves by itself who it is from; raises as ``order``."""
        status, told = self._ask("POST", what, LONGEST_PAGE_ANSWER, json=body)
        if status >= 400:
            raise _refusal(status, told)
        return told

    def order(
        self,
        verb: str,
        body: Mapping[str, Any] | None = None,
        time_limit: float = LONGEST_PAGE_ANSWER,
    ) -> dict[str, Any]:
        """Give an order.

        Args:
            verb: Which.
            body: What it is about.
            time_limit: Seconds for the worker's answer.

        Raises:
            NoToken: There is no token to give it with, or it is not this worker's.
            OrderRefused, OrderRaced, PageFault: It is not carried out; the message says why.
            OrderUnavailable: Whether it is carried out is not known for sure.
            WorkerSilent: It does not answer; nothing was asked.
        """
        return self._with_token("POST", verb, time_limit, json=body)

    def _with_token(self, method: str, verb: str, seconds: float, **more: Any) -> dict[str, Any]:
        headers = self._token_told()
        status, told = self._ask(method, verb, seconds, headers=headers, **more)
        if status == 401:
            raise NoToken
        if status >= 400:
            raise _refusal(status, told)
        return told

    def stream(self, asked: str) -> Iterator[dict[str, Any]]:
        """Yield what the worker tells line by line, for as long as it does.

        Raises:
            NoToken: There is no token to ask with, or it is not this worker's.
            OrderRefused, PageFault: It is not told; the message says why.
            WorkerSilent: It does not answer.
        """
        return self._lines(asked, MOST_PAGE_LINE)

    def live(self) -> dict[str, Any]:
        """Ask for all that is watched of it, as it is now.

        Raises:
            NoToken: There is no token to ask with, or it is not this worker's.
            OrderRefused, OrderUnavailable, PageFault: It is not told; the message says why.
            WorkerSilent: It does not answer.
        """
        return self.tell("live")

    def changes(self) -> Iterator[dict[str, Any]]:
        """Yield what ``live`` returns, again whenever it changes; raises as ``stream`` does."""
        return self._lines("live/events", MOST_PAGE_ANSWER)

    def _lines(self, asked: str, most: int) -> Iterator[dict[str, Any]]:
        from poolhand.web.client import AnswerTooLarge, NoAnswer, lines_now

        headers, url = self._token_told(), f"{self.url}/v1/{asked}"
        try:
            with lines_now("GET", url, most, headers=headers) as told:
                if told.status == 401:
                    raise NoToken
                for members in members_of(told.lines):
                    if told.status != 200:
                        raise _refusal(told.status, members)
                    yield members
        except (NoAnswer, AnswerTooLarge) as fault:
            raise WorkerSilent(self.url) from fault

    def _token_told(self) -> dict[str, str]:
        """Return the header that shows the token; raises NoToken."""
        if not self.token:
            raise NoToken
        return {"Authorization": f"Bearer {self.token}"}

    def _ask(
        self, method: str, verb: str, seconds: float, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        """Return status and members of an answer."""
        from poolhand.web.client import AnswerTooLarge, NoAnswer, ask_now

        try:
            answer = ask_now(method, f"{self.url}/v1/{verb}", MOST_PAGE_ANSWER, seconds, **more)
            told = parse_json(answer.content)
        except NoAnswer as fault:
            if method == "GET" or not fault.begun:
                raise WorkerSilent(self.url) from fault
            raise OrderUnavailable(
                "order-unanswered", f"the worker at {self.url} took the order and did not answer"
            ) from fault
        except (AnswerTooLarge, ValueError) as fault:
            raise WorkerSilent(self.url) from fault
        if not isinstance(told, dict):
            raise WorkerSilent(self.url)
        return answer.status, told

    def is_gone(self) -> bool:
        """Whether the worker has ended: no answer, and no process where we know of one."""
        try:
            self.status()
        except WorkerSilent:
            return self.pid_file is None or not self.pid_file.is_running
        return False

    def await_end(self) -> bool:
        """Wait for a process that is about to end; False when it does not in time."""
        until = time.monotonic() + LAST_BREATH
        while not self.is_gone():
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True


def page_address(url: str, token: str) -> str:
    """Return the address that shows a worker's page: the token is in what no server is told."""
    return f"{url}/#token={token}"


def members_of(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Read lines of JSON, or server-sent events of one line; what is none is passed over."""
    for line in lines:
        try:
            members = parse_json(line.removeprefix(b"data: "))
        except ValueError:
            continue
        if isinstance(members, dict):
            yield members


def _refusal(status: int, told: Mapping[str, Any]) -> PoolhandError:
    """Make of an answer the error that the worker had, by who must act."""
    code, message = str(told.get("code", f"http-{status}")), str(told.get("message", told))
    kinds: dict[int, type[_Told]] = {409: OrderRaced, 503: OrderUnavailable}
    return kinds.get(status, PageFault if status >= 500 else OrderRefused)(code, message)
