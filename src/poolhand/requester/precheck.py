"""What is known to fail is not bought: a wish looked at before anybody is asked for an order."""

from __future__ import annotations

from poolhand.domain.input_url import check_input_url
from poolhand.domain.params import check_arguments, input_name
from poolhand.requester.wish import Wish


def check_wish(wish: Wish) -> tuple[str, ...]:
    """Check what needs neither chain nor pool; returns the arguments that the app will get.

    Raises:
        LostArguments: Workers would lose arguments.
        UnreadableInput: No worker could download an input file.
    """
    for url in wish.inputs:
        check_input_url(url)
    return check_arguments(wish.args)


def input_names(wish: Wish) -> dict[str, str]:
    """Return input files by the name under which the app finds them in ``/iexec_in``."""
    return {input_name(url): url for url in wish.inputs}
