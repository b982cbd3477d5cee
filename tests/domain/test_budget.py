"""A budget is never exceeded, whatever happens to purchases between beginning and end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.budget import SpendingBudget
from poolhand.domain.units import NanoRlc

LIMIT = 100
steps = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 60),
        st.sampled_from(["made", "not made", "nobody knows", "nobody knows, but it was made"]),
    ),
    max_size=12,
)


@given(steps)
def test_what_was_paid_never_exceeds_the_limit(told):
    """A buyer who asks what is left before each purchase, and may hear nothing of what it came to."""
    budget, paid, secretly = SpendingBudget(NanoRlc(LIMIT)), 0, {}
    for name, price, end in told:
        if name in secretly:  # the same purchase again finds what was made
            budget.made(name, NanoRlc(secretly[name]))
            del secretly[name]
            continue
        if price > budget.left_for(name):
            continue
        budget.begin(name, NanoRlc(price))
        match end:
            case "made":
                paid += price
                budget.made(name, NanoRlc(price))
            case "not made":
                budget.not_made(name)
            case "nobody knows, but it was made":
                paid += price
                secretly[name] = price
        assert paid <= LIMIT
        assert budget.left >= 0
    assert budget.spent + sum(secretly.values()) == paid


def test_what_is_not_known_counts_until_it_is():
    budget = SpendingBudget(NanoRlc(10))
    budget.begin("a", NanoRlc(6))
    assert (budget.left, budget.begun) == (4, 6)
    assert (budget.left_for("a"), budget.left_for("b"), budget.left_for("a", NanoRlc(3))) == (
        10,
        4,
        3,
    )
    budget.begin("a", NanoRlc(2))
    assert budget.begun == 6  # the dearer one may have been made
    budget.made("a", NanoRlc(2))
    assert (budget.left, budget.begun, budget.spent) == (8, 0, 2)


def test_what_began_beyond_the_limit_does_not_raise_it():
    budget = SpendingBudget(NanoRlc(1))
    budget.begin("another program's", NanoRlc(2))
    assert (budget.left, budget.left_for("another program's"), budget.left_for("a")) == (0, 1, 0)


def test_without_a_limit_only_a_purchase_has_its_own():
    budget = SpendingBudget()
    budget.begin("a", NanoRlc(6))
    assert (budget.left, budget.left_for("b"), budget.left_for("b", NanoRlc(1))) == (None, None, 1)
