"""Settings that change while a worker runs: by order, by the file, over restarts."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.observe.private import write_private
from poolhand.settings.live_file import CHANGES_HEAD, edited, read_changes, write_changes
from poolhand.settings.load import BadSetting, load
from poolhand.settings.preferences import LIVE_OPTIONS, NotLive
from poolhand.worker.live_settings import LiveSettings

NIGHTS, WEEKEND = "22:00-07:00", "weekend all day"


def started(**flags):
    return load(LIVE_OPTIONS, flags, {})


def holds(live) -> str:
    return live.now.schedule.text


def test_a_change_holds_at_once_is_told_once_and_outlives_a_restart(tmp_path):
    file, told = tmp_path / "settings.toml", []
    live = LiveSettings(started(schedule=WEEKEND), file)
    live.recover()
    live.changed.connect(lambda: told.append(holds(live)))
    live.set({"schedule": NIGHTS})
    live.set({"schedule": NIGHTS})
    live.look()
    assert told == [NIGHTS]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = LiveSettings(started(schedule=WEEKEND), file)
    again.recover()
    assert holds(again) == NIGHTS
    assert next(row.origin for row in again.rows()) == "changed while it runs"
    again.set({"schedule": ""})
    assert holds(again) == WEEKEND
    assert next(row.origin for row in again.rows()) == "flag --schedule"


def test_what_somebody_writes_into_the_file_is_taken_up(tmp_path):
    file = tmp_path / "settings.toml"
    live = LiveSettings(started(), file)
    live.recover()
    file.write_text(f"# mine\nschedule = '{NIGHTS}'\n")
    live.look()
    assert holds(live) == NIGHTS
    file.unlink()
    live.look()
    assert holds(live) == "always"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("schedule = ", "not TOML"),
        ("schedule = 'someday'", "no window of a week"),
        ("schedule = 'never'", "0 h a week"),
        ("cpus = 3", "read when a worker starts"),
        ("colour = 'red'", "no setting 'colour'"),
        ("schedule = " + "[" * 100_000, "nested too deeply"),
        ("image-cache = " + "9" * 5_000, "not TOML"),
        ("image-cache = 0x" + "f" * 5_000, "not TOML"),
        ("image-cache = '1e308g'", "too large"),
        ("download-rate = '9999999g'", "at most 1024g"),
        ("least-reward = '87000000.1'", "there are no more"),
        ("coin-price = '" + "9" * 40 + "'", "there are no more"),
        ("notify = 'https://a b/'", "expected where this worker tells"),
        ("[schedule]", "no window of a week"),
        ("\x00", "not TOML"),
        ("task-cpus = 2.5", "set task-cpus to 2 at most"),
    ],
)
def test_a_file_that_says_nothing_sensible_changes_nothing_and_is_told(tmp_path, text, why):
    file = tmp_path / "settings.toml"
    live = LiveSettings(started(), file, cpus=2)
    live.set({"schedule": NIGHTS})
    file.write_text(text)
    live.look()
    assert holds(live) == NIGHTS
    assert why in live.problem
    assert str(file) in live.problem
    file.write_text(f"schedule = '{WEEKEND}'")
    live.look()
    assert (holds(live), live.problem) == (WEEKEND, None)
    file.write_text(text)
    with pytest.raises(BadSetting, match=str(file)):
        LiveSettings(started(), file, cpus=2).recover()


@pytest.mark.parametrize(
    ("changes", "kind", "why"),
    [
        ({"cpus": "3"}, NotLive, "start it again with --cpus or IEXEC_WORKER_OVERRIDE"),
        ({"colour": "red"}, BadSetting, "no setting 'colour'"),
        ({"schedule": "never"}, BadSetting, "0 h a week"),
        ({"schedule": "someday"}, BadSetting, "is no window"),
        ({"schedule": NIGHTS, "cpus": "3"}, NotLive, "cpus"),
    ],
)
def test_what_cannot_be_changes_nothing_and_says_who_must_do_what(tmp_path, changes, kind, why):
    file = tmp_path / "settings.toml"
    live = LiveSettings(started(), file)
    with pytest.raises(kind, match=why):
        live.set(changes)
    assert holds(live) == "always"
    assert not file.exists()


def test_a_folder_that_cannot_be_written_changes_nothing(tmp_path):
    live = LiveSettings(started(), tmp_path / "gone" / "settings.toml")
    with pytest.raises(BadSetting, match="cannot be written"):
        live.set({"schedule": NIGHTS})
    assert holds(live) == "always"


def test_comments_and_order_stay(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('# mine\nfirst = 1  # one\n\nsecond = "b"\n# end\n')
    write_changes(file, {"second": 'say "c"\\', "third": "d", "first": "1"}, write_private)
    assert file.read_text() == (
        '# mine\nfirst = 1  # one\n\nsecond = "say \\"c\\"\\\\"\n# end\nthird = "d"\n'
    )
    write_changes(file, {"second": ""}, write_private)
    assert read_changes(file) == {"first": "1", "third": "d"}


def test_a_value_over_several_lines_is_written_anew_rather_than_broken(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('places = [\n  "a",\n  "b",\n]\n')
    assert read_changes(file) == {"places": "a,b"}
    write_changes(file, {"places": "c"}, write_private)
    assert read_changes(file) == {"places": "c"}


KEYS = st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
WANTED = st.dictionaries(KEYS, VALUES, max_size=4)


@given(WANTED, WANTED)
def test_whatever_is_written_is_read_again(tmp_path_factory, first, second):
    file = tmp_path_factory.mktemp("settings") / "settings.toml"
    write_changes(file, first, write_private)
    write_changes(file, second, write_private)
    assert read_changes(file) == {**first, **second}
    assert file.read_text().startswith(CHANGES_HEAD)


@given(st.text(max_size=60), WANTED)
def test_an_edit_of_any_text_has_just_what_is_wanted(tmp_path_factory, text, wanted):
    file = tmp_path_factory.mktemp("settings") / "settings.toml"
    file.write_text(edited(text, wanted), encoding="utf-8")
    assert read_changes(file) == wanted


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_file_ends_whoever_follows_it(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("settings") / "settings.toml"
    live = LiveSettings(started(schedule=NIGHTS), file)
    file.write_bytes(content)
    live.look()
    assert holds(live) == NIGHTS or live.problem is None
