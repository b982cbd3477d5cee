"""Buy a bag of tasks from a worker on a Slurm cluster, and kill a node in the middle.

    scripts/with-engine .venv/bin/python scripts/slurm_bag.py [TASKS]

A devnet with one worker, whose engine is a private cluster of four nodes; the images are built by
the Docker engine that ``with-engine`` gives and pulled by skopeo. Once a third of the tasks has
been computed, the node that computes most is killed as by a power cut, and stays dead. Exit status
1 where a task was not paid.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from slurm_cluster import Cluster, NoCluster, prepare

ROOT = Path(__file__).resolve().parent.parent
POOLHAND = str(ROOT / ".venv" / "bin" / "poolhand")
NODES, CPUS = 4, 2
TASKS = 100
ARGUMENTS = "--width 600 --height 400 --iterations 300"
LONGEST = 1_200


def say(words: str) -> None:
    """Tell the person at the terminal."""
    print(words, flush=True)


def jobs(cluster: Cluster) -> list[tuple[str, str]]:
    """Return state and node of all jobs."""
    words = ["squeue", "--noheader", "--all", "--states=all", "--format=%T|%N"]
    told = subprocess.run(
        words, env=cluster.environment, check=False, capture_output=True, text=True
    )
    return [(line.partition("|")[0], line.partition("|")[2]) for line in told.stdout.splitlines()]


def strike(cluster: Cluster, buying: subprocess.Popen[str], tasks: int) -> str:
    """Kill the node that computes most, once a third of the tasks is done; return its name."""
    done = 0
    while buying.poll() is None:
        seen = jobs(cluster)
        done = max(done, sum(state == "COMPLETED" for state, _ in seen))
        busy = Counter(node for state, node in seen if state == "RUNNING")
        if done >= tasks // 3 and busy:
            ((node, running),) = busy.most_common(1)
            cluster.kill_node(node)
            say(f"{done} jobs done: node {node} is killed with {running} jobs on it")
            return node
        time.sleep(0.1)
    return ""


def buy(cluster: Cluster, home: Path, tasks: int) -> dict[str, Any]:
    """Buy and watch; return what the requester is told."""
    environment = {
        **cluster.environment,
        "POOLHAND_HOME": str(home),
        "POOLHAND_ENGINE": "slurm",
        "POOLHAND_SLURM_SHARED": str(home / "shared"),
        "IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT": str(NODES * CPUS),
        "POOLHAND_TASK_MEMORY": "200m",
    }
    up = [POOLHAND, "devnet", "up", "--detach", "--workers", "1"]
    subprocess.run(up, env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        words = ["run", "devnet/poolhand/fractal:1.0", "--tasks", str(tasks), "--args",
                 ARGUMENTS, "--json"]  # fmt: skip
        began = time.monotonic()
        buying = subprocess.Popen(
            [POOLHAND, *words], env=environment, stdout=subprocess.PIPE, text=True
        )
        strike(cluster, buying, tasks)
        out, _ = buying.communicate(timeout=LONGEST)
        say(f"{tasks} tasks took {time.monotonic() - began:.1f} s")
        members: dict[str, Any] = json.loads(out)
        return members
    finally:
        down = [POOLHAND, "devnet", "down"]
        subprocess.run(down, env=environment, check=False, stdout=subprocess.DEVNULL)


def main(arguments: list[str]) -> int:
    """Do it; tell what came of it."""
    tasks = int(arguments[0]) if arguments else TASKS
    prepare()
    with (
        tempfile.TemporaryDirectory(prefix="poolhand-slurm-bag-") as folder,
        Cluster(NODES, CPUS) as cluster,
    ):
        told = buy(cluster, Path(folder), tasks)
        ended = Counter(state for state, _ in jobs(cluster))
    statuses = Counter(each["status"] for each in told["tasks"])
    replicates = Counter(r["status"] for each in told["tasks"] for r in each["replicates"])
    say(f"tasks: {dict(statuses)}; replicates: {dict(replicates)}; jobs: {dict(ended)}")
    return 0 if statuses == {"COMPLETED": tasks} else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (NoCluster, subprocess.CalledProcessError) as trouble:
        print(f"poolhand: {trouble}", file=sys.stderr)
        sys.exit(2)
