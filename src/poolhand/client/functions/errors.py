"""What keeps a function from the network or its value from coming back: who must act, and how."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from poolhand.domain.errors import PeerFault, Refused
from poolhand.domain.text import shown


class CannotTravel(Refused):
    """A function or an argument cannot go to the network; nothing was paid.

    Attributes:
        party: Who must act.
        cause: What is in the way.
        next_step: How to go on.
    """

    party: Final = "you"

    def __init__(self, cause: str, next_step: str) -> None:
        self.cause, self.next_step = cause, next_step
        super().__init__(shown(f"{cause}. Nothing was paid (next: you: {next_step})"))


class Unpicklable(CannotTravel):
    """It does not pickle."""

    def __init__(self, what: str, why: BaseException) -> None:
        super().__init__(
            f"{what} cannot be pickled: {type(why).__name__}: {why}",
            "give values that pickle: no open files, locks, sockets or generators; open those "
            "within the function",
        )


class OtherPython(CannotTravel):
    """The image has another Python: bytecode means the same in equal minor versions alone."""

    def __init__(self, image: str, has: tuple[int, int], wanted: tuple[int, int]) -> None:
        theirs, ours = (".".join(map(str, each)) for each in (has, wanted))
        super().__init__(
            f"image {image} has Python {theirs}, and this program runs on {ours}",
            f"run it on Python {theirs}, or name an image with {ours}",
        )


class NoSuchModule(CannotTravel):
    """The function needs a module that the image has not.

    Attributes:
        modules: Their names.
    """

    def __init__(self, image: str, modules: Iterable[str]) -> None:
        self.modules = tuple(sorted(modules))
        told = ", ".join(self.modules)
        super().__init__(
            f"the function needs {told}, which image {image} does not have",
            "name an image that has it; a module of your own travels along after "
            f"cloudpickle.register_pickle_by_value({self.modules[0]})",
        )


class NoFunctionImage(CannotTravel):
    """The image does not say that it runs functions."""

    def __init__(self, image: str) -> None:
        super().__init__(
            f"image {image} does not say that it runs functions of Python programs",
            "name one that does, as docs/how-to/functions.md shows how to build it",
        )


class PayloadTooLarge(CannotTravel):
    """Function and arguments together are more than may travel in one deal."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(
            f"function and arguments come to {size} bytes, and {most} may travel in one deal",
            "map over names of data instead of data: as a dataset, or as input files",
        )


class NoCloudpickle(CannotTravel):
    """The package by which functions travel is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "functions travel by cloudpickle, which is not installed",
            "pip install 'poolhand[functions]'",
        )


class BadFunctionResult(PeerFault):
    """What a task wrote is proved by the chain, and is no result of functions.

    Attributes:
        party: Who must act.
        next_step: How.
    """

    party: Final = "the image's owner"
    next_step: Final = "let the image run poolhand's own function app, unchanged"

    def __init__(self, why: str) -> None:
        super().__init__(
            shown(
                f"a task's result was not unpickled: {why} (next: {self.party}: {self.next_step})"
            )
        )


class ValueTooLarge(Refused):
    """A task's result is larger than this program takes.

    Attributes:
        size, most: Bytes that it has, and that may come.
    """

    def __init__(self, size: int, most: int) -> None:
        self.size, self.most = size, most
        super().__init__(
            f"a task's result has {size} bytes, and {most} are taken: return less, or let the "
            "function write files and buy it with client.run"
        )


class ValueUnsent(Refused):
    """The function has returned, and its value does not travel back; it was computed and paid."""

    def __init__(self, why: str) -> None:
        super().__init__(
            shown(
                f"the function has returned, and its value could not come back: {why}. Its "
                "computation was paid (next: you: return values that pickle)"
            )
        )


class RemoteFault(Refused):
    """The function has raised what cannot be raised here; its words and traceback are told.

    Attributes:
        kind: Name of the exception's class.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(shown(f"the function raised {kind}: {message}", 2000))


class RemoteTraceback(Exception):
    """Where a function raised on its worker; the cause of what is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n\n{self.text.rstrip()}"
