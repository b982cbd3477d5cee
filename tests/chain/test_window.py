"""Recent blocks and forks, as pure data."""

from __future__ import annotations

from eth_hash.auto import keccak

from poolhand.chain.blocks import BLOCKS_KEPT, FORKS_KEPT, Block, Window
from poolhand.domain.ids import BlockHash
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, UnixSeconds


def chain(first: int, last: int, branch: str = "a", parent: bytes | None = None) -> list[Block]:
    blocks, before = [], BlockHash(parent or name(first - 1, branch))
    for number in range(first, last + 1):
        after = name(number, branch)
        head = Head(BlockNumber(number), after, before, UnixSeconds(number), None)
        blocks.append(Block(head, ()))
        before = after
    return blocks


def name(number: int, branch: str = "a") -> BlockHash:
    return BlockHash(keccak(f"{branch}{number}".encode()))


def test_a_longer_branch_replaces_from_the_fork_on():
    window = Window()
    window.extend(chain(5, 10))
    window.extend(chain(8, 12, "b", name(7)))
    assert window.forks == [8]
    assert window.tip.block_hash == name(12, "b")
    assert window.holds(7, name(7))
    assert not window.holds(8, name(8))


def test_a_shorter_branch_leaves_nothing_of_the_old_one():
    window = Window()
    window.extend(chain(5, 10))
    window.extend(chain(7, 8, "b", name(6)))
    assert (window.top, window.forks) == (8, [7])
    assert not window.holds(9, name(9))


def test_growing_is_no_fork_and_old_blocks_are_dropped():
    window = Window()
    window.extend(chain(0, 10))
    window.extend(chain(11, 100))
    assert window.forks == []
    assert (window.base, window.top) == (101 - BLOCKS_KEPT, 100)
    assert window.block(window.base).head.number == window.base


def test_blocks_far_ahead_start_anew_without_a_fork():
    window = Window()
    window.extend(chain(0, 10))
    window.extend(chain(500, 510))
    assert (window.base, window.top, window.forks) == (500, 510, [])


def test_a_branch_without_a_common_block_replaces_everything():
    window = Window()
    window.extend(chain(50, 60))
    window.extend(chain(40, 61, "b"))
    assert (window.base, window.forks) == (40, [40])
    assert window.holds(55, name(55, "b"))


def test_whoever_looks_seldom_is_told_of_all_forks_and_few_are_kept():
    window = Window()
    window.extend(chain(5, 10))
    window.extend(chain(6, 10, "low", name(5)))
    for count in range(2 * FORKS_KEPT):
        window.extend(
            chain(7 + count % 3, 10, f"b{count}", window.block(6 + count % 3).head.block_hash)
        )
    assert window.fork_count == 2 * FORKS_KEPT + 1
    assert len(window.forks) == FORKS_KEPT
    assert window.forks_since(window.fork_count) == []
    assert window.forks_since(window.fork_count - 2) == window.forks[-2:]
    assert min(window.forks_since(0)) == 6
