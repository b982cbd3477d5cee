"""``Client``: the same as ``AsyncClient`` for programs without a loop; names and errors are equal.

>>> client = Client()
>>> deal = client.run("devnet/poolhand/fractal:1.0", "--seed 3", budget="2 RLC")
>>> for change in deal.events():
...     print(change)
>>> deal.result().save("fractal")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, overload

from poolhand.appimage.composing import BuiltImage, PublishedImage
from poolhand.appimage.image import Image
from poolhand.client.app_images import DeployedImage
from poolhand.client.async_client import AsyncClient
from poolhand.client.deal_view import deal_html, trouble_html
from poolhand.client.functions.verbs import FunctionVerbs
from poolhand.client.handles import AsyncDealHandle, AsyncTaskHandle
from poolhand.client.loop_thread import LoopThread
from poolhand.client.notebook import open_screen
from poolhand.client.reports import Cancellation, DealCost, TaskProof
from poolhand.client.sponsor import Sponsor
from poolhand.client.task_result import TaskResult
from poolhand.domain.budget import SpendingBudget
from poolhand.domain.deal import Deal
from poolhand.domain.errors import PoolhandError
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId
from poolhand.domain.units import NanoRlc
from poolhand.requester.assets import Deployed
from poolhand.requester.changes import Change
from poolhand.requester.watching import Progress, TaskProgress
from poolhand.wire.output_api import OutputNews

if TYPE_CHECKING:
    from poolhand.client.context import Opener

_INTERRUPTED: Final = (
    "nothing is lost: the same run(...) finishes a purchase that was begun, and makes none twice"
)


class TaskHandle:
    """One task of a deal; each method is as that of ``AsyncTaskHandle``."""

    def __init__(self, loop: LoopThread, handle: AsyncTaskHandle) -> None:
        self._loop, self._handle = loop, handle

    @property
    def id(self) -> TaskId:
        """The task."""
        return self._handle.id

    @property
    def index(self) -> int:
        """Its place among the tasks of the deal's request order."""
        return self._handle.index

    def status(self) -> TaskProgress:
        """Look how it stands now."""
        return self._loop.run(self._handle.status())

    def events(self) -> Iterator[Change]:
        """Yield what changes, a line each, until it has ended or run out of time."""
        return self._loop.iterate(self._handle.events())

    def result(self, folder: str | Path | None = None, timeout: float | None = None) -> TaskResult:
        """Wait for its end and return its result; see ``AsyncTaskHandle.result``."""
        return self._loop.run(self._handle.result(folder, timeout))

    @overload
    def logs(self, *, follow: Literal[False] = False) -> Mapping[Address, tuple[str, str]]: ...

    @overload
    def logs(self, *, follow: Literal[True]) -> Iterator[OutputNews]: ...

    def logs(self, *, follow: bool = False) -> Any:
        """Return what the app printed on each worker (standard output and error).

        Args:
            follow: Yield what it prints and how far it is instead, as it comes, until it has ended.
        """
        if follow:
            return self._loop.iterate(self._handle.logs(follow=True))
        return self._loop.run(self._handle.logs())

    def proof(self) -> TaskProof:
        """Return what the chain has of it, for anybody to check."""
        return self._loop.run(self._handle.proof())

    def __repr__(self) -> str:
        return repr(self._handle)


class DealHandle:
    """A deal: it goes on without this program, and ``Client.attach`` finds it again.

    Each method is as that of ``AsyncDealHandle``.
    """

    def __init__(self, loop: LoopThread, handle: AsyncDealHandle) -> None:
        self._loop, self._handle = loop, handle
        self.tasks: Final = tuple(TaskHandle(loop, each) for each in handle.tasks)

    @property
    def deal_id(self) -> DealId:
        """By which it is found again."""
        return self._handle.deal_id

    @property
    def deal(self) -> Deal:
        """What the match fixed."""
        return self._handle.deal

    @property
    def resumed(self) -> bool:
        """Whether an earlier call, or program, had begun to buy it."""
        return self._handle.resumed

    def status(self) -> Progress:
        """Look how its tasks stand now."""
        return self._loop.run(self._handle.status())

    def events(self) -> Iterator[Change]:
        """Yield what changes, a line each, until every task has ended or run out of time."""
        return self._loop.iterate(self._handle.events())

    def show(self) -> None:
        """Show a table that follows the deal in a notebook until every task has ended.

        In a terminal it is a line for each change. Stopping it ends nothing: the deal goes on.
        """
        screen = open_screen()
        for html, line in self.pictures():
            screen(html, line)

    def pictures(self) -> Iterator[tuple[str, str]]:
        """Yield the deal whenever it is looked at, as HTML and as a line, until it has ended."""
        return self._loop.iterate(self._handle.pictures())

    def _repr_html_(self) -> str:
        """Return how it stands now, for a notebook; where nobody answers, why."""
        try:
            return deal_html(self.deal, self.status())
        except PoolhandError as trouble:
            return trouble_html(self.deal, trouble)

    def wait(self, timeout: float | None = None) -> Progress:
        """Wait until every task has ended (seconds at most), and return how."""
        return self._loop.run(self._handle.wait(timeout))

    def result(self, folder: str | Path | None = None, timeout: float | None = None) -> TaskResult:
        """Return the result of its only task; see ``AsyncTaskHandle.result``."""
        return self._loop.run(self._handle.result(folder, timeout))

    def results(self, folder: str | Path | None = None) -> Iterator[TaskResult]:
        """Yield the result of each task as soon as it is there."""
        return self._loop.iterate(self._handle.results(folder))

    @overload
    def logs(
        self, *, follow: Literal[False] = False
    ) -> Mapping[TaskId, Mapping[Address, tuple[str, str]]]: ...

    @overload
    def logs(self, *, follow: Literal[True]) -> Iterator[tuple[TaskId, OutputNews]]: ...

    def logs(self, *, follow: bool = False) -> Any:
        """Return what the app printed, by task and worker.

        Args:
            follow: Yield what its tasks print instead, as it comes, each with its task.
        """
        if follow:
            return self._loop.iterate(self._handle.logs(follow=True))
        return self._loop.run(self._handle.logs())

    def cost(self) -> DealCost:
        """Return what it costs, with what was refunded by now."""
        return self._loop.run(self._handle.cost())

    def proof(self) -> tuple[TaskProof, ...]:
        """Return what the chain has of each task, for anybody to check."""
        return self._loop.run(self._handle.proof())

    def cancel(self) -> Cancellation:
        """Save what can be saved: a deal cannot be taken back, but what is late is claimed."""
        return self._loop.run(self._handle.cancel())

    def __repr__(self) -> str:
        return repr(self._handle)


class Client(FunctionVerbs):
    """Buys computation, follows it and fetches what came of it.

    Takes the settings of ``AsyncClient``, which are those of the command line. It may be used by
    several threads, and in a notebook. It need not be closed: what is dropped lets go of its
    connections, and no deal is lost with it.
    """

    def __init__(
        self,
        *,
        chain: str = "",
        rpc: str = "",
        hub: str = "",
        account: str = "",
        wallet: str | Path = "",
        keystore: str | Path = "",
        password: str = "",
        password_file: str | Path = "",
        pool_url: str = "",
        market: str = "",
        results_url: str = "",
        state: str | Path = "",
        budget: str | NanoRlc | None = None,
        functions: str | Address = "",
        opener: Opener | None = None,
    ) -> None:
        self._client = AsyncClient(
            chain=chain,
            rpc=rpc,
            hub=hub,
            account=account,
            wallet=wallet,
            keystore=keystore,
            password=password,
            password_file=password_file,
            pool_url=pool_url,
            market=market,
            results_url=results_url,
            state=state,
            budget=budget,
            functions=functions,
            opener=opener,
        )
        self._loop = LoopThread()

    @property
    def budget(self) -> SpendingBudget:
        """What purchases may cost, and have cost, in all."""
        return self._client.budget

    def run(
        self,
        image: str | Address,
        args: str | Sequence[str] = "",
        *,
        dataset: str | Address = ZERO_ADDRESS,
        inputs: Iterable[str] = (),
        hosts: Iterable[str] = (),
        trust: int = 1,
        category: int | str = 0,
        tasks: int = 1,
        tag: Iterable[str] = (),
        pool: str | Address = ZERO_ADDRESS,
        budget: str | NanoRlc | None = None,
        beneficiary: str | Address | None = None,
        callback: str | Address = ZERO_ADDRESS,
        encrypt: bool = False,
        secrets: Mapping[int, str] | None = None,
        accept_simulated_tee: bool = False,
        deposit: bool = False,
        again: bool = True,
        sponsor: Sponsor | None = None,
    ) -> DealHandle:
        """Buy a computation; arguments and errors are those of ``AsyncClient.run``."""
        work = self._client.run(
            image,
            args,
            dataset=dataset,
            inputs=inputs,
            hosts=hosts,
            trust=trust,
            category=category,
            tasks=tasks,
            tag=tag,
            pool=pool,
            budget=budget,
            beneficiary=beneficiary,
            callback=callback,
            encrypt=encrypt,
            secrets=secrets,
            accept_simulated_tee=accept_simulated_tee,
            deposit=deposit,
            again=again,
            sponsor=sponsor,
        )
        try:
            return DealHandle(self._loop, self._loop.run(work, self._client.undelivered))
        except KeyboardInterrupt as stop:
            stop.add_note(_INTERRUPTED)
            raise

    def attach(self, deal_id: str | DealId) -> DealHandle:
        """Return a handle on a deal that was bought before, by whatever program."""
        return DealHandle(self._loop, self._loop.run(self._client.attach(deal_id)))

    def task(self, task_id: str | TaskId) -> TaskHandle:
        """Return a handle on a task, of whichever deal."""
        return TaskHandle(self._loop, self._loop.run(self._client.task(task_id)))

    def build_image(self, image: Image, file: str | Path) -> BuiltImage:
        """Build an image into a file that engines load; see ``ClientImages.build``."""
        return self._loop.run(self._client.build_image(image, file))

    def push_image(self, image: Image, to: str) -> PublishedImage:
        """Build an image and push it; see ``ClientImages.push``."""
        return self._loop.run(self._client.push_image(image, to))

    def deploy_image(self, image: Image, to: str, name: str = "") -> DeployedImage:
        """Build an image, push it, and register it as an app, once; see ``ClientImages.deploy``."""
        return self._loop.run(self._client.deploy_image(image, to, name))

    def deploy_dataset(
        self, url: str, name: str = "", *, file: str | Path = "", checksum: bytes | None = None
    ) -> Deployed:
        """Register a dataset with its checksum, once; see ``AsyncClient.deploy_dataset``."""
        return self._loop.run(self._client.deploy_dataset(url, name, file=file, checksum=checksum))

    def push_secret(
        self,
        value: str,
        name: str = "",
        *,
        app: str | Address = "",
        dataset: str | Address = "",
        accept_simulated_tee: bool = False,
    ) -> None:
        """Push a secret, once; see ``AsyncClient.push_secret``."""
        self._loop.run(
            self._client.push_secret(
                value, name, app=app, dataset=dataset, accept_simulated_tee=accept_simulated_tee
            )
        )

    def has_secret(
        self, name: str = "", *, app: str | Address = "", dataset: str | Address = ""
    ) -> bool:
        """Tell whether a secret is there; see ``AsyncClient.has_secret``."""
        return self._loop.run(self._client.has_secret(name, app=app, dataset=dataset))

    def close(self) -> None:
        """Close the connections now. Deals go on; handles of this client end with it."""
        self._client.calls.close()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._client.calls.close(clean=kind is None)
        self.close()
