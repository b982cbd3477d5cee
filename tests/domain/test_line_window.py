"""Numbered lines: bounded, never told twice, and what is missing is counted."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from many import examples
from poolhand.domain.line_window import LineCursor, LineRun, LineWindow

MOST_LINES, MOST_SIZE = 6, 40


class OutputOnTheWay(RuleBasedStateMachine):
    """An app prints, a worker keeps, a pool keeps, a reader reads; every program may break off."""

    def __init__(self):
        super().__init__()
        self.printed = []
        self.worker = LineWindow(MOST_LINES, MOST_SIZE, len)
        self.pool = LineWindow(MOST_LINES, MOST_SIZE, len)
        self.spool = {}  # what the pool wrote to its disk
        self.unwritten = {}
        self.reader, self.seen, self.missing = LineCursor(), [], 0

    @rule(texts=st.lists(st.text("ab", max_size=12), max_size=9))
    def the_app_prints(self, texts):
        for text in texts:
            self.worker.put(len(self.printed), text)
            self.printed.append(text)

    @rule(most=st.integers(1, 4), size=st.integers(0, 20))
    def the_worker_tells(self, most, size):
        run = self.worker.take(self.pool.next, most, size)
        for number, text in enumerate(run.lines, run.first):
            assert self.pool.put(number, text)
            self.unwritten[number] = text

    @rule(back=st.integers(0, 8), most=st.integers(1, 4))
    def the_worker_repeats_itself(self, back, most):
        run = self.worker.take(max(0, self.pool.next - back), most, MOST_SIZE)
        for number, text in enumerate(run.lines, run.first):
            fresh = number >= self.pool.next
            assert self.pool.put(number, text) == fresh
            if fresh:
                self.unwritten[number] = text

    @rule()
    def the_disk_has_it(self):
        self.spool.update(self.unwritten)
        self.unwritten.clear()

    @rule()
    def the_pool_is_killed(self):
        self.unwritten.clear()
        begin = max(self.spool, default=-1) + 1
        self.pool = LineWindow(MOST_LINES, MOST_SIZE, len, begin)

    @rule(most=st.integers(1, 5), size=st.integers(0, 30))
    def the_reader_reads(self, most, size):
        run = self.pool.take(self.reader.next, most, size)
        if run.first > self.reader.next and self.reader.next in self.spool:
            run = LineRun(self.reader.next, (self.spool[self.reader.next],))
        left_out, new = self.reader.take(run)
        self.missing += left_out
        self.seen += enumerate(new.lines, new.first)

    @rule(again=st.integers(0, 6))
    def the_reader_is_told_something_again(self, again):
        before = list(self.seen)
        begin = max(0, self.reader.next - again)
        lines = tuple(self.printed[begin : self.reader.next])
        left_out, new = self.reader.take(LineRun(begin, lines))
        assert (left_out, new.lines, self.seen) == (0, (), before)

    @invariant()
    def each_line_at_most_once_in_order_and_the_missing_are_counted(self):
        numbers = [number for number, _ in self.seen]
        assert numbers == sorted(set(numbers))
        assert all(self.printed[number] == text for number, text in self.seen)
        assert len(self.seen) + self.missing == self.reader.next

    @invariant()
    def both_windows_are_bounded(self):
        for each in (self.worker, self.pool):
            kept = each.take(each.first, 99, 999).lines
            assert len(each) <= MOST_LINES
            assert len(kept) <= 1 or sum(map(len, kept)) <= MOST_SIZE


TestOutputOnTheWay = OutputOnTheWay.TestCase
TestOutputOnTheWay.settings = settings(max_examples=examples(60), stateful_step_count=40)


def test_lines_that_are_missing_in_a_window_end_a_run():
    window = LineWindow(9, 99, len)
    for number, text in ((0, "a"), (1, "b"), (5, "c")):
        window.put(number, text)
    assert window.take(0, 9, 99) == LineRun(0, ("a", "b"))
    assert window.take(2, 9, 99) == LineRun(5, ("c",))
    assert window.take(6, 9, 99) == LineRun(6, ())
    assert window.take(9, 9, 99) == LineRun(9, ())


def test_of_lines_that_come_again_with_new_ones_the_new_ones_alone_are_told():
    cursor = LineCursor(2)
    assert cursor.take(LineRun(0, ("a", "b", "c"))) == (0, LineRun(2, ("c",)))
    assert cursor.take(LineRun(1, ("b", "c", "d"))) == (0, LineRun(3, ("d",)))
    assert cursor.take(LineRun(6, ("g",))) == (2, LineRun(6, ("g",)))
