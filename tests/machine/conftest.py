"""A worker's machine in a folder: places, and a window that is played."""

from __future__ import annotations

import pytest
from vm.worker_machine.launch import Window
from vm.worker_machine.places import MachinePlaces


class PlayedWindow:
    """Answers questions in order, then nobody types any more; remembers all."""

    def __init__(self, *answers):
        self.answers, self.codes = list(answers), []
        self.said, self.asked, self.called = [], [], []

    @property
    def window(self):
        return Window(self.said.append, self._ask, self._call)

    def _ask(self, question):
        self.asked.append(question)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)

    def _call(self, words):
        self.called.append(tuple(words))
        return self.codes.pop(0) if self.codes else 0


@pytest.fixture
def places(tmp_path):
    keystore = tmp_path / "Desktop" / "keystore"
    keystore.mkdir(parents=True)
    (keystore / "wallet.json").write_text("")
    return MachinePlaces(
        tmp_path / "state", keystore, tmp_path / "built-for", tmp_path / "poolhand"
    )


@pytest.fixture
def played():
    return PlayedWindow
