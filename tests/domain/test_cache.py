"""What a cache lets go of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.cache import CacheEntry, let_go
from poolhand.domain.units import UnixSeconds

ENTRIES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3),
    st.builds(CacheEntry, st.integers(0, 9).map(UnixSeconds), st.integers(0, 50)),
    max_size=8,
)


@given(ENTRIES, st.integers(0, 200), st.sets(st.text("abcdefgh", min_size=1, max_size=1)))
def test_no_more_than_the_limit_is_kept_and_no_more_goes_than_must(entries, limit, in_use):
    gone = let_go(entries, limit, in_use)
    kept = {name: entry for name, entry in entries.items() if name not in gone}
    assert not set(gone) & in_use
    size = sum(entry.size for entry in kept.values())
    assert size <= limit or set(kept) <= in_use
    if gone:
        last = entries[gone[-1]]
        assert size + last.size > limit
        free = [entry for name, entry in kept.items() if name not in in_use]
        assert all(entries[name].used_at <= entry.used_at for name in gone for entry in free)
