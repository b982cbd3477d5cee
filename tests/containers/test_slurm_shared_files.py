"""The shared folder of a cluster: whom it lets in, and what of it is cleared away."""

from __future__ import annotations

import os
import stat
import time

from poolhand.containers.slurm.shared_files import LONGEST_UNFINISHED, lay_folders


def test_no_other_user_of_the_cluster_may_enter(tmp_path):
    (tmp_path / "runs").mkdir(mode=0o755)
    lay_folders(tmp_path, "images", "runs")
    modes = [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("images", "runs")]
    assert modes == [0o700, 0o700]


def test_what_was_cut_off_long_ago_is_cleared_away_and_nothing_else(tmp_path):
    long_ago = time.time() - LONGEST_UNFINISHED - 60
    left = ["images/.new-a", "images/.gone-b", "runs/.gone-c", "aside/d"]
    kept = ["images/e", "runs/f"]
    for name in (*left, *kept):
        (tmp_path / name / "inner").mkdir(parents=True)
        os.utime(tmp_path / name, (long_ago, long_ago))
    young = tmp_path / "images/.new-young"
    young.mkdir()
    lay_folders(tmp_path, "images", "runs", "aside")
    found = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.glob("*/*"))
    assert found == ["images/.new-young", *kept]
