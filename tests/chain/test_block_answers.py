"""What a chain said of one block is never told of another."""

from __future__ import annotations

from dataclasses import replace

from poolhand.chain.block_answers import MOST_ANSWERS_OF_BLOCK, BlockAnswers, Question
from poolhand.domain.ids import Address, BlockHash
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, UnixSeconds

ONE = Head(BlockNumber(1), BlockHash(b"\1" * 32), BlockHash(b"\0" * 32), UnixSeconds(1), None)
ASKED = Question(Address(b"\x07" * 20), "0x1234", int)


def test_an_answer_is_kept_for_its_block_and_gone_with_the_next():
    answers = BlockAnswers()
    answers.of(ONE)[ASKED] = 5
    assert answers.of(ONE)[ASKED] == 5
    other = replace(ONE, block_hash=BlockHash(b"\2" * 32))  # of the same number, after a fork
    assert ASKED not in answers.of(other)
    assert ASKED not in answers.of(ONE)


def test_a_view_and_whether_there_is_a_contract_are_two_questions():
    assert Question.of_code(ASKED.to) != ASKED
    assert Question.of_code(ASKED.to).is_of_code
    assert Question(ASKED.to, ASKED.data, bool) == ASKED  # how it is read is no part of it


def test_answers_are_bounded():
    answers = BlockAnswers()
    kept = answers.of(ONE)
    for number in range(MOST_ANSWERS_OF_BLOCK + 1):
        kept[Question(ASKED.to, hex(number), int)] = number
    assert answers.of(ONE) == {}
