"""What the engine is told about one container, clause by clause."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from container_world import LIMITS, MIB, shrink

from poolhand.containers.errors import ContainerRefused
from poolhand.containers.sandbox import (
    OOM_SCORE,
    SANDBOX_USER,
    ImageUser,
    ImageVolumes,
    SandboxTerms,
    _read_only_paths,
    container_config,
    user_for,
)
from poolhand.containers.seccomp import FAMILIES, NAMESPACES, PROFILE, REFUSED_CALLS, SOCKETS
from poolhand.containers.working_folder import Start
from poolhand.ports.runtime import ContainerSpec, Mount

NO_VOLUMES = ImageVolumes()
IMAGE = "docker.io/owner/app@sha256:" + "ab" * 32


def config(user="65534:65534", home="/tmp", start=None, volumes=NO_VOLUMES, **changes):
    terms = {
        "name": "task", "image": IMAGE, "command": (), "environment": {}, "limits": LIMITS,
        "mounts": (Mount("/t/in", "/iexec_in", writable=False),
                   Mount("/t/out", "/iexec_out", writable=True)),
        "timeout": 60, "labels": {"poolhand.task": "0x1"},
    }  # fmt: skip
    depends = SandboxTerms(user, home, start, volumes)
    return container_config(ContainerSpec(**(terms | changes)), depends)


def host(**changes):
    return config(**changes)["HostConfig"]


def test_an_app_has_no_network_unless_the_operator_allows_it():
    assert (host()["NetworkMode"], config()["NetworkDisabled"]) == ("none", True)
    assert host(network=True)["NetworkMode"] == "bridge"
    assert config(network=True)["NetworkDisabled"] is False


def test_every_capability_is_dropped_and_none_can_be_gained():
    assert host()["CapDrop"] == ["ALL"]
    assert "CapAdd" not in host()
    assert host()["Privileged"] is False
    assert "no-new-privileges" in host()["SecurityOpt"]


@pytest.mark.case("A10")
def test_our_seccomp_profile_goes_with_every_container():
    assert f"seccomp={PROFILE}" in host()["SecurityOpt"]


def test_memory_processors_processes_and_files_are_limited():
    told = host(limits=shrink(memory=512 * MIB, cpus=1.5, pids=77, tmp=9 * MIB, output=20 * MIB))
    assert (told["Memory"], told["MemorySwap"]) == (512 * MIB, 512 * MIB)
    assert told["NanoCpus"] == 1_500_000_000
    assert told["PidsLimit"] == 77
    assert f"size={9 * MIB}" in told["Tmpfs"]["/tmp"].split(",")
    assert {"nosuid", "nodev"} <= set(told["Tmpfs"]["/tmp"].split(","))
    limits = {each["Name"]: each["Hard"] for each in told["Ulimits"]}
    assert (limits["core"], limits["fsize"]) == (0, 20 * MIB + 1)
    assert limits["nofile"] <= 16_384
    assert told["ShmSize"] == 9 * MIB


def test_volumes_of_an_image_are_bounded_folders_in_memory():
    image = {"Config": {"Volumes": {"/data": {}, "//a/b/": {}, "/x/../iexec_out": {}, "rel": {}}}}
    volumes = SandboxTerms.of(image, 0).volumes
    assert volumes == ImageVolumes(("/a/b", "/data", "/iexec_out", "rel"))
    told = host(volumes=volumes)
    assert set(told["Tmpfs"]) == {"/tmp", "/a/b", "/data", "rel"}
    assert len(set(told["Tmpfs"].values())) == 1
    assert SandboxTerms.of({"Config": {"Volumes": None}}, 0).volumes == ImageVolumes()


@pytest.mark.parametrize(
    ("held", "start"),
    [
        ("/opt/app", {"WorkingDir": "/opt/app"}),
        ("/opt", {"WorkingDir": "/opt/app"}),
        ("/opt", {"Entrypoint": ["/opt/app/run"]}),
    ],
)
def test_a_volume_that_would_hide_the_program_is_refused_unless_the_folder_is_copied(held, start):
    image = {"Config": {"Volumes": {held: {}, "/optional": {}}, **start}}
    volumes = SandboxTerms.of(image, 0).volumes
    assert volumes == ImageVolumes(("/optional",), (held,))
    with pytest.raises(ContainerRefused, match=f"volume at {held}, where its program is"):
        config(volumes=volumes)
    copied = host(volumes=volumes, start=Start(held, ()), workplace="/t/work")
    assert held not in copied["Tmpfs"]


def test_the_root_is_read_only_and_so_is_every_mount_but_the_output():
    assert host()["ReadonlyRootfs"] is True
    assert [(m["Target"], m["ReadOnly"], m["Type"]) for m in host()["Mounts"]] == [
        ("/iexec_in", True, "bind"), ("/iexec_out", False, "bind"),
    ]  # fmt: skip
    assert {m["BindOptions"]["Propagation"] for m in host()["Mounts"]} == {"rprivate"}


@pytest.mark.case("A10")
def test_an_app_is_ended_before_the_machines_programs_and_cannot_change_that():
    assert host()["OomScoreAdj"] == OOM_SCORE > 0
    assert _read_only_paths(Path("/no/selinux")) == ["/proc"]


def test_where_selinux_labels_processes_the_engine_may_write_to_proc(tmp_path):
    enforce = tmp_path / "enforce"
    enforce.touch()
    assert "/proc" not in _read_only_paths(enforce)
    assert "/proc/sys" in _read_only_paths(enforce)


def test_the_logs_are_bounded_and_nothing_is_shared():
    told = host(limits=shrink(log=10**6))
    assert told["LogConfig"]["Config"]["max-size"] == str(2 * 10**6)
    assert told["LogConfig"]["Config"]["max-file"] == "2"
    assert (told["IpcMode"], told["Init"]) == ("private", True)
    assert not {"PidMode", "UTSMode", "UsernsMode", "Devices", "Binds", "VolumesFrom"} & set(told)


def test_command_user_variables_and_labels_are_handed_over():
    told = config(command=("a", "b c"), environment={"IEXEC_OUT": "/iexec_out"})
    assert told["Cmd"] == ["a", "b c"]
    assert told["User"] == "65534:65534"
    assert told["Env"] == ["IEXEC_OUT=/iexec_out", "NVIDIA_VISIBLE_DEVICES=void", "HOME=/tmp"]
    assert told["Labels"] == {"poolhand.task": "0x1"}
    assert told["Image"] == IMAGE
    assert not {"Cmd", "User"} & set(config(user=None))


@pytest.mark.parametrize(
    ("image", "worker", "user"),
    [
        ({}, 0, f"{SANDBOX_USER}:{SANDBOX_USER}"),
        ({"Config": {"User": "1000"}}, 0, None),
        ({"Config": {"User": "root:root"}}, 0, None),
        ({"Config": {"WorkingDir": "/root/app"}}, 0, None),
        ({"Config": {"WorkingDir": "/rooted"}}, 0, f"{SANDBOX_USER}:{SANDBOX_USER}"),
    ],
)
def test_an_image_that_names_no_user_is_run_as_nobody(image, worker, user):
    assert user_for(ImageUser.of(image), worker) == user


def test_a_worker_that_is_not_root_gives_its_own_user_to_all():
    for image in ({}, {"Config": {"User": "root"}}, {"Config": {"User": "1000"}}):
        assert user_for(ImageUser.of(image), 1234).startswith("1234:")


# ---------------------------------------------------------------------------------- system calls


def rules(name):
    """Return (action, errno, arguments) of every rule for a system call."""
    found = [each for each in json.loads(PROFILE)["syscalls"] if name in each["names"]]
    return [(r["action"], r.get("errnoRet"), r.get("args")) for r in found]


def allowed(name):
    return [rule for rule in rules(name) if rule[0] == "SCMP_ACT_ALLOW"]


@pytest.mark.case("A10")
def test_what_is_not_allowed_is_refused():
    told = json.loads(PROFILE)
    assert (told["defaultAction"], told["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", errno.ENOSYS)
    assert "architectures" not in told
    assert "archMap" not in told


@pytest.mark.case("A10")
@pytest.mark.parametrize("name", REFUSED_CALLS.split())
def test_a_call_that_broke_kernels_is_no_apps(name):
    assert allowed(name) == []
    assert rules(name) == [("SCMP_ACT_ERRNO", errno.EPERM, None)]


@pytest.mark.case("A10")
def test_a_socket_is_of_one_of_four_families_named_one_by_one():
    assert SOCKETS == {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
    for call in ("socket", "socketpair"):
        arguments = [argument for _, _, (argument,) in allowed(call)]
        assert {each["op"] for each in arguments} == {"SCMP_CMP_EQ"}
        assert {each["value"] for each in arguments} == {1, 2, 10, 16}
        assert {each["index"] for each in arguments} == {0}


@pytest.mark.case("A10")
def test_threads_are_made_and_namespaces_are_not():
    ((_, _, (argument,)),) = allowed("clone")
    assert (argument["op"], argument["value"]) == ("SCMP_CMP_MASKED_EQ", NAMESPACES)
    flags = {"NEWNS": 0x20000, "CGROUP": 0x2000000, "UTS": 0x4000000, "IPC": 0x8000000,
             "USER": 0x10000000, "PID": 0x20000000, "NET": 0x40000000}  # fmt: skip
    assert sum(flags.values()) == NAMESPACES
    assert rules("clone3") == [("SCMP_ACT_ERRNO", errno.ENOSYS, None)]


def test_no_call_is_allowed_and_refused_at_once():
    names = [name for family in FAMILIES.values() for name in family.split()]
    assert len(names) == len(set(names))
    assert not set(names) & set(REFUSED_CALLS.split())


def test_a_launcher_starts_what_the_image_would_start():
    image = {"Config": {"Entrypoint": ["python3", "/app/main.py"], "Cmd": ["usual"]}}
    terms = SandboxTerms.of(image, 0)
    spec = {
        "name": "task", "image": IMAGE, "environment": {}, "limits": LIMITS, "mounts": (),
        "timeout": 60, "launcher": ("/agent", "-x"),
    }  # fmt: skip
    told = container_config(ContainerSpec(**spec, command=("a", "b c")), terms)
    assert told["Entrypoint"] == ["/agent", "-x"]
    assert told["Cmd"] == ["python3", "/app/main.py", "a", "b c"]
    usual = container_config(ContainerSpec(**spec, command=()), terms)
    assert usual["Cmd"] == ["python3", "/app/main.py", "usual"]
    spec["launcher"] = ()
    assert "Entrypoint" not in container_config(ContainerSpec(**spec, command=()), terms)
