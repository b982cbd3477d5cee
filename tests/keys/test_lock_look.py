"""Who holds a wallet can be seen without taking it, and a lock that nobody needs goes away."""

from __future__ import annotations

import fcntl
import os

import pytest

from poolhand.domain.ids import Address
from poolhand.keys.errors import WalletInUse
from poolhand.keys.lock import WalletLock, forget_locks, held_by

WALLET, OTHER = Address(bytes([7] * 20)), Address(bytes([8] * 20))


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


def test_locks_are_forgotten_with_their_folder_unless_somebody_holds_one(tmp_path):
    folder = tmp_path / "locks"
    forget_locks(folder)
    assert not folder.exists()
    with WalletLock(folder, OTHER):
        with WalletLock(folder, WALLET):
            forget_locks(folder)
            assert held_by(folder, WALLET) is not None
        forget_locks(folder)
        assert [each.name for each in folder.iterdir()] == [f"{OTHER}.lock"]
    forget_locks(folder)
    assert not folder.exists()


def test_who_opened_a_lock_before_it_was_removed_takes_the_new_one(tmp_path, monkeypatch):
    """Two programs never hold a wallet at once: one by a file that is gone, one by its successor."""
    folder, lock = tmp_path / "locks", WalletLock(tmp_path / "locks", WALLET)
    flock = fcntl.flock

    def removed_meanwhile(handle, how):
        monkeypatch.setattr(fcntl, "flock", flock)
        forget_locks(folder)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with lock:
        assert held_by(folder, WALLET) is not None
        with pytest.raises(WalletInUse):
            WalletLock(folder, WALLET).acquire()
