"""Who holds a wallet can be seen without taking it."""

from __future__ import annotations

import os

from poolhand.domain.ids import Address
from poolhand.keys.lock import WalletLock, held_by

WALLET = Address(bytes([7] * 20))


def test_a_look_names_the_holder_and_makes_nothing(tmp_path):
    folder = tmp_path / "locks"
    assert held_by(folder, WALLET) is None
    assert not folder.exists()
    with WalletLock(folder, WALLET):
        found = held_by(folder, WALLET)
        assert found is not None
        assert found.holder == str(os.getpid())
    assert held_by(folder, WALLET) is None
    with WalletLock(folder, WALLET) as again:
        assert again.is_held
