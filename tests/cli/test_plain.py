"""A flag that the environment sets says what it says there, whoever reads parameters."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from poolhand.cli.plain import Noun

app = Noun()


@app.command()
def show(*, restart: bool = typer.Option(default=True, envvar="SHOW_RESTART")) -> None:
    typer.echo(repr(restart))


@pytest.mark.parametrize(
    ("said", "meant"),
    [("false", False), ("0", False), (" No ", False), ("true", True), ("1", True)],
)
def test_a_flag_of_the_environment_is_what_it_says(said, meant):
    assert CliRunner().invoke(app, [], env={"SHOW_RESTART": said}).output == f"{meant!r}\n"


def test_what_is_typed_comes_before_the_environment():
    told = CliRunner().invoke(app, ["--restart"], env={"SHOW_RESTART": "false"})
    assert told.output == "True\n"


def test_what_is_no_flag_is_refused():
    told = CliRunner().invoke(app, [], env={"SHOW_RESTART": "perhaps"})
    assert told.exit_code == 2
    assert "neither true nor false" in told.output
