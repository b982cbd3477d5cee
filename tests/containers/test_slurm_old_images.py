"""Which images leave the shared folder of a cluster, and which never do."""

from __future__ import annotations

import json
import os

from poolhand.containers.slurm.old_images import (
    LEAST_UNUSED_IMAGE,
    LONGEST_UNUSED_IMAGE,
    ROOM_BEFORE_A_PULL,
    clear_images,
)

NOW = 1e9


def present(tmp_path, ages):
    for name, age in ages.items():
        (tmp_path / "images" / name / "rootfs").mkdir(parents=True)
        stamp = tmp_path / "images" / name / "image.json"
        stamp.write_text("{}")
        os.utime(stamp, (NOW - age,) * 2)


def test_images_go_when_nobody_has_used_them_for_long(tmp_path):
    present(
        tmp_path, {"old": LONGEST_UNUSED_IMAGE + 1, "newer": LONGEST_UNUSED_IMAGE - 1, "now": 0.0}
    )
    removed = clear_images(tmp_path / "images", tmp_path / "runs", NOW, lambda: ROOM_BEFORE_A_PULL)
    assert removed == ("old",)
    kept = sorted(each.name for each in (tmp_path / "images").iterdir())
    assert kept == ["newer", "now"]


def test_where_room_is_short_the_longest_unused_go_until_there_is_enough(tmp_path):
    present(
        tmp_path,
        {"a": LEAST_UNUSED_IMAGE + 3, "b": LEAST_UNUSED_IMAGE + 2, "c": LEAST_UNUSED_IMAGE + 1},
    )
    free = iter([ROOM_BEFORE_A_PULL - 2, ROOM_BEFORE_A_PULL - 1, ROOM_BEFORE_A_PULL])
    removed = clear_images(tmp_path / "images", tmp_path / "runs", NOW, lambda: next(free))
    assert removed == ("a", "b")


def test_an_image_that_is_used_or_was_just_brought_stays_whatever_room_there_is(tmp_path):
    present(tmp_path, {"used": LONGEST_UNUSED_IMAGE * 2, "new": LEAST_UNUSED_IMAGE - 1})
    attempt = tmp_path / "runs" / "task" / "1"
    attempt.mkdir(parents=True)
    (attempt / "order.json").write_text(json.dumps({"image": "used"}))
    assert clear_images(tmp_path / "images", tmp_path / "runs", NOW, lambda: 0) == ()
