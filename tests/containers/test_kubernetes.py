"""Jobs on a simulated Kubernetes: what it is asked, lost nodes, and whose failure it was.

One file, for each asks the same simulated cluster for a job.
"""

from __future__ import annotations

import asyncio
import stat
import time
from dataclasses import replace

import pytest
from container_world import MIB, shrink, until
from kubernetes_world import kubernetes_world
from simulated_kubernetes import JOBS, NAMESPACE, SimulatedKubernetes, stamp

from poolhand.containers.errors import ContainerRefused, ContainerRemoved, NoNodeFree
from poolhand.containers.kubernetes.engine import bytes_of, cpus_of
from poolhand.containers.kubernetes.look import look_at_kubernetes
from poolhand.containers.kubernetes.manifest import KubernetesPlace, run_id
from poolhand.containers.kubernetes.pods import PodState, read_pod
from poolhand.domain.doctor.engine import KUBERNETES
from poolhand.domain.errors import RuntimeDown
from poolhand.ports.runtime import Mount


@pytest.fixture
async def world(tmp_path):
    async with kubernetes_world(tmp_path, {"User": "app", "Volumes": {"/data": {}}}) as made:
        yield made


@pytest.fixture
async def job(world):
    """The job that a run makes."""
    world.hold()
    spec = replace(world.spec("python3", "-c", "$(A) $$(A) $$ $"), timeout=90)
    spec = replace(spec, environment={"A": "$(B) $$(B) $$ $"})
    running = asyncio.create_task(world.runtime.run(spec))
    await until(lambda: world.cluster.jobs)
    (made,) = world.cluster.jobs.values()
    yield made
    world.release()
    await running


async def test_an_app_gets_no_right_and_no_account_of_the_cluster(world, job):
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & pod.keys()
    assert pod["securityContext"] == {
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "supplementalGroups": [],
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


async def test_an_app_has_its_limits_and_nothing_is_tried_twice_by_the_cluster(world, job):
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    held = container["resources"]["limits"]
    assert (held["cpu"], held["memory"]) == ("1000m", str(64 * MIB))
    assert container["resources"]["requests"] == held
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert pod["activeDeadlineSeconds"] > 90
    memory = [each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each]
    assert int(held["ephemeral-storage"]) > 5 * 10 * MIB  # what a kubelet keeps of its log
    assert {each["medium"] for each in memory} == {"Memory"}
    assert {int(each["sizeLimit"]) for each in memory} == {8 * MIB}


def expanded(text, variables):
    """Do what the API does to words: Kubernetes, third_party/forked/golang/expansion."""
    made, rest = "", text
    while rest:
        sign, rest = rest[0], rest[1:]
        if sign == "$" and rest[:1] == "$":
            rest = rest[1:]
        elif sign == "$" and rest[:1] == "(" and ")" in rest:
            name, _, rest = rest[1:].partition(")")
            sign = variables.get(name, f"$({name})")
        made += sign
    return made


async def test_an_app_sees_its_folders_and_volumes_and_words_as_they_are(world, job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    seen = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert seen["/iexec_in"]["subPath"] == "run/in"
    assert (seen["/iexec_in"]["readOnly"], seen["/iexec_out"]["readOnly"]) == (True, False)
    assert {"/tmp", "/data", "/dev/shm"} < seen.keys()
    (told,) = (each["value"] for each in container["env"] if each["name"] == "A")
    assert expanded(told, {"B": "theirs"}) == "$(B) $$(B) $$ $"
    words = [expanded(each, {"A": "theirs"}) for each in container["args"]]
    assert words == ["python3", "-c", "$(A) $$(A) $$ $"]
    assert container["image"].endswith("@sha256:" + "ab" * 32)


async def test_pods_are_kept_off_every_network(world):
    (policy,) = world.cluster.policies
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & policy["spec"].keys()
    chosen = policy["spec"]["podSelector"]["matchLabels"]
    world.release()
    await world.runtime.run(world.program("hello"))
    assert chosen == {"app.kubernetes.io/managed-by": "poolhand"}


async def test_who_watches_many_runs_asks_no_more_than_once_a_second(tmp_path):
    async with kubernetes_world(tmp_path, pause=1.0) as world:
        world.hold()
        runs = [replace(world.program("token"), name=f"run-{number}") for number in range(20)]
        running = [asyncio.create_task(world.runtime.run(each)) for each in runs]
        await until(lambda: len(world.cluster.pods) == 20)
        await world.runtime._births.all_over()
        await world.runtime.usage(world.name)
        world.cluster.asked.clear()
        began = time.monotonic()
        await asyncio.gather(*(world.runtime.usage(each.name) for each in runs))
        looks = 5 + time.monotonic() - began  # a look may be under way, on either side
        assert world.cluster.asked.count("pods") <= looks < len(runs)
        world.release()
        assert {(await each).exit_code for each in running} == {0}


async def test_a_run_outside_of_the_shared_folder_is_refused(world):
    spec = world.program("hello")
    outside = Mount("/etc", "/iexec_in", writable=False)
    with pytest.raises(ContainerRefused, match="shared folder"):
        await world.runtime.run(replace(spec, mounts=(outside,)))


async def test_a_container_ends_at_its_time_limit(world):
    world.hold()
    outcome = await world.runtime.run(world.program("token", timeout=0))
    assert (outcome.exit_code, outcome.timed_out) == (137, True)
    assert world.cluster.jobs == world.cluster.pods == {}


async def test_what_writes_too_much_is_ended(world):
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    (world.output / "large").write_bytes(bytes(5 * MIB))
    outcome = await running
    assert (outcome.output_too_large, outcome.timed_out) == (True, False)


async def test_logs_are_cut_to_their_tail(world):
    world.hold()
    running = asyncio.create_task(
        world.runtime.run(world.program("token", limits=shrink(log=1000)))
    )
    await until(world.token)
    (name,) = world.cluster.pods
    world.cluster.logs[name] = b"line\n" * 10_000 + b"the end"
    world.release()
    assert (await running).stdout == (b"line\n" * 10_000 + b"the end")[-1000:]


async def test_a_run_goes_on_while_the_api_is_away(world):
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    world.cluster.asked.clear()
    world.cluster.is_away = True
    await until(lambda: world.cluster.asked.count("pods") > 3)
    world.cluster.is_away = False
    world.release()
    assert (await running).exit_code == 0


async def test_a_node_that_is_lost_loses_no_run(world):
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    first = world.token()
    world.cluster.lose_node("n1")
    await until(lambda: world.token() not in (None, first))
    (pod,) = world.cluster.pods.values()
    assert pod["spec"]["nodeName"] == "n2"
    aside = world.cluster.shared / "aside"
    assert stat.S_IMODE(aside.stat().st_mode) == 0o700
    assert [each.name for each in aside.glob("*/aside-0/*")] == ["token"]
    world.release()
    assert (await running).exit_code == 0
    assert world.cluster.jobs == {}
    assert list(aside.iterdir()) == []


async def test_what_was_printed_last_is_heard_before_a_run_is_removed(world):
    heard = []

    async def listen():
        async for line in world.runtime.follow(world.name, 100, live=True):
            heard.append(line.text)  # noqa: PERF401 - each as it comes

    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    (name,) = world.cluster.pods
    world.cluster.logs[name] = b"first\n"
    listening = asyncio.create_task(listen())
    await until(lambda: heard)
    world.cluster.log_lag = asyncio.Event()
    world.cluster.logs[name] += b"last\n"
    world.release()
    await until(lambda: "running" not in state_of(world.cluster.pods[name]))
    await until(lambda: waits_for_readers() or not world.cluster.jobs)
    world.cluster.log_lag.set()
    assert (await running).exit_code == 0
    await listening
    assert heard == [b"first", b"last"]


def waits_for_readers():
    """Whether a run waits until all has been read: for events, each in a task of its own."""
    coroutines = [each.get_coro() for each in asyncio.all_tasks()]
    return "Event.wait" in [each.__qualname__ for each in coroutines if each is not None]


def state_of(pod):
    return pod["status"]["containerStatuses"][0]["state"]


async def test_a_run_that_loses_node_after_node_is_the_clusters_fault(world):
    world.cluster.nodes = [f"n{number}" for number in range(9)]
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    for number in range(4):
        await until(
            lambda: (
                [
                    p
                    for p in world.cluster.pods.values()
                    if not p["metadata"].get("deletionTimestamp")
                ]
                or running.done()
            )
        )
        world.cluster.lose_node(f"n{number}")
    with pytest.raises(RuntimeDown, match="lost with 4 nodes"):
        await running
    assert world.cluster.jobs == {}


@pytest.mark.parametrize(
    ("behaves", "told"),
    [
        ("waiting:CreateContainerConfigError:container has runAsNonRoot", ContainerRefused),
        ("waiting:InvalidImageName:couldn't parse image reference", ContainerRefused),
        ("waiting:ErrImagePull:no match for platform in manifest", ContainerRefused),
        ("waiting:ImagePullBackOff:Back-off pulling image", NoNodeFree),
        ("unschedulable", NoNodeFree),
    ],
)
async def test_it_is_told_whose_failure_it_is_that_a_pod_does_not_start(tmp_path, behaves, told):
    async with kubernetes_world(tmp_path, patience=0.0) as world:
        world.cluster.behaves = behaves
        with pytest.raises(told):
            await world.runtime.run(world.program("token", timeout=0))
        assert world.cluster.jobs == {}


async def test_a_cluster_without_room_says_so_until_it_has(world):
    assert await world.runtime.lack() is None
    world.cluster.behaves = "unschedulable"
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    async with asyncio.timeout(60):
        while (lack := await world.runtime.lack()) is None:  # noqa: ASYNC110 - it asks a cluster
            await asyncio.sleep(0.01)
    assert "Insufficient cpu" in lack
    await world.runtime.kill(world.name)
    with pytest.raises(ContainerRemoved):
        await running


async def test_a_role_that_may_not_create_jobs_is_the_operators_matter(world):
    world.cluster.failing = 403
    with pytest.raises(RuntimeDown, match=r"cannot create.*role"):
        await world.runtime.run(world.program("hello"))


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"name": "A_B", "labels": {}}},
        {"metadata": {"name": "a", "labels": {"x": "no label value!"}}},
        {"spec": {"template": {"metadata": {"labels": {}}, "spec": {"volumes": [], "containers": [], "hostpid": 1}}}},
    ],
)  # fmt: skip
async def test_the_simulation_refuses_what_the_api_refuses(tmp_path, change):
    pod = {"metadata": {"labels": {}}, "spec": {"volumes": [], "containers": []}}
    manifest = {"metadata": {"name": "a", "labels": {}}, "spec": {"template": pod}}
    async with SimulatedKubernetes(tmp_path, None).client() as http:
        answer = await http.post(JOBS, json={**manifest, **change})
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")


async def test_all_that_is_free_is_counted_where_nodes_may_be_seen(world):
    assert await world.runtime.slots() == 6


@pytest.mark.slurm
async def test_the_doctor_sees_a_cluster_that_can_be_used_and_what_another_lacks(tmp_path):
    """skopeo is on whatever computer has a cluster's programs."""
    cluster = SimulatedKubernetes(tmp_path, None)
    place = KubernetesPlace(NAMESPACE, "shared", tmp_path / "not" / "made")
    async with cluster.client() as http:
        facts = await look_at_kubernetes(http, place)
        assert (facts.name, facts.version) == (KUBERNETES, "1.32.3")
        assert facts.found == "2 nodes with 7.84 processors"
        with pytest.raises(RuntimeDown, match="no volume claim another"):
            await look_at_kubernetes(http, replace(place, claim="another"))
        cluster.forbidden = {("get", "pods")}
        with pytest.raises(RuntimeDown, match="may not get pods/log in namespace work"):
            await look_at_kubernetes(http, place)


# -------------------------------------------------------------------------------- what pods tell


def pod(**status):
    return {
        "metadata": {"name": "p", "labels": {"a": "2"}},
        "spec": {"nodeName": "n"},
        "status": status,
    }


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"phase": "Pending"}, PodState.WAITING),
        (
            {
                "phase": "Pending",
                "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}],
            },
            PodState.WAITING,
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, PodState.LOST),
        (
            {
                "phase": "Failed",
                "reason": "Evicted",
                "message": "Pod ephemeral local storage usage exceeds the total limit of containers 256Mi. ",
            },
            PodState.REFUSED,
        ),
        (
            {
                "phase": "Failed",
                "reason": "Evicted",
                "message": 'Usage of EmptyDir volume "memory-0" exceeds the limit "8Mi". ',
            },
            PodState.REFUSED,
        ),
        ({"phase": "Failed", "reason": "NodeAffinity"}, PodState.LOST),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, PodState.LOST),
        ({"phase": "Unknown"}, PodState.LOST),
        (
            {
                "phase": "Failed",
                "containerStatuses": [
                    {
                        "state": {
                            "terminated": {
                                "reason": "StartError",
                                "exitCode": 128,
                                "message": "exec: not found",
                            }
                        }
                    }
                ],
            },
            PodState.REFUSED,
        ),
        (
            {
                "phase": "Failed",
                "containerStatuses": [
                    {
                        "state": {
                            "terminated": {
                                "reason": "OOMKilled",
                                "exitCode": 137,
                                "startedAt": stamp(),
                                "finishedAt": stamp(),
                            }
                        }
                    }
                ],
            },
            PodState.ENDED,
        ),
    ],
)
def test_pods_are_read_as_the_reference_tells(told, state):
    found = read_pod(pod(**told), "a")
    assert (found.state, found.attempt, found.node) == (state, 2, "n")
    assert found.out_of_memory == (state is PodState.ENDED)


def test_amounts_are_read_as_the_api_writes_them():
    assert [bytes_of(each) for each in ("128974848", "129M", "123Mi", "1Gi")] == [
        128974848, 129 * 10**6, 123 * MIB, 1024 * MIB,
    ]  # fmt: skip
    assert [cpus_of(each) for each in ("4", "3920m")] == [4.0, 3.92]
    assert len(run_id("a name of any length " * 100)) == 32
