"""A worker that computes on a cluster: what its operator may say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_programs import made

from poolhand.settings.cluster import KubernetesSettings
from poolhand.settings.doctor import settings_of
from poolhand.settings.load import BadSetting

CLUSTER = {"POOLHAND_ENGINE": "slurm", "POOLHAND_SLURM_SHARED": "/scratch/me"}


def test_apps_run_on_this_computer_unless_a_cluster_is_named():
    assert made().cluster is None
    assert made(POOLHAND_SLURM_SHARED="/scratch/me", POOLHAND_SLURM_PARTITION="p").cluster is None


def test_a_cluster_is_read_as_its_operator_writes_it():
    settings = made(
        **CLUSTER,
        POOLHAND_SLURM_PARTITION="batch",
        POOLHAND_SLURM_ACCOUNT="mine",
        POOLHAND_SLURM_OPTIONS=" qos=low  --constraint=avx2|avx512 ",
    )
    cluster = settings.cluster
    assert cluster is not None
    assert (cluster.shared, cluster.partition) == (Path("/scratch/me"), "batch")
    assert (cluster.account, cluster.options) == ("mine", ("--qos=low", "--constraint=avx2|avx512"))
    assert settings_of(settings).cluster == cluster


@pytest.mark.parametrize(("told", "slots"), [("", 0), ("40", 40)])
def test_tasks_at_once_are_the_clusters_matter_and_not_this_computers(told, slots):
    """0: as many as the partition has processors, found at the start."""
    assert made(4, **CLUSTER, IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT=told).cpus == slots


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"POOLHAND_ENGINE": "podman"}, "docker, slurm, kubernetes"),
        ({"POOLHAND_SLURM_SHARED": ""}, "a folder that all nodes see"),
        ({"POOLHAND_SLURM_SHARED": "scratch"}, "absolute"),
        ({"POOLHAND_SLURM_SHARED": "/a'; rm -rf /'"}, "without quotes"),
        ({"POOLHAND_SLURM_SHARED": "/scratch/%u"}, "without quotes, %"),
        ({"POOLHAND_SLURM_OPTIONS": "clusters=other"}, "NAME=VALUE"),
        ({"POOLHAND_SLURM_PARTITION": "a b"}, "POOLHAND_SLURM_PARTITION"),
        ({"POOLHAND_SLURM_ACCOUNT": "x;y"}, "POOLHAND_SLURM_ACCOUNT"),
        ({"POOLHAND_SLURM_OPTIONS": "uid=0"}, "POOLHAND_SLURM_OPTIONS"),
        ({"POOLHAND_SLURM_OPTIONS": "wrap=reboot"}, "NAME=VALUE"),
        ({"POOLHAND_SLURM_OPTIONS": "output=/etc/passwd"}, "NAME=VALUE"),
        ({"POOLHAND_SLURM_OPTIONS": "qos"}, "NAME=VALUE"),
        ({"POOLHAND_SLURM_OPTIONS": "qos=$(id)"}, "NAME=VALUE"),
        ({"IEXEC_WORKER_GPU_ENABLED": "true"}, "no GPU"),
        ({"POOLHAND_GPUS": "0"}, "POOLHAND_GPUS.*no GPU"),
        ({"POOLHAND_ALLOW_NETWORK": "true"}, "no network"),
        (
            {"POOLHAND_NETWORK_HOSTS": "a.example", "POOLHAND_NETWORK_IMAGE": "python"},
            "no network",
        ),
        ({"POOLHAND_SANDBOX": "gvisor"}, "run by runc"),
    ],
)
def test_what_a_cluster_cannot_give_is_refused_at_the_start(change, words):
    with pytest.raises(BadSetting, match=words):
        made(**{**CLUSTER, **change})


KUBERNETES = {"POOLHAND_ENGINE": "kubernetes", "POOLHAND_KUBERNETES_SHARED": "/mnt/shared"}


def test_a_cluster_of_kubernetes_is_read_as_its_operator_writes_it():
    usual = made(**KUBERNETES).cluster
    assert usual == KubernetesSettings(Path("/mnt/shared"), "poolhand", "poolhand", "", "")
    told = made(
        **KUBERNETES,
        POOLHAND_KUBERNETES_CLAIM="work",
        POOLHAND_KUBERNETES_NAMESPACE="team-a",
        POOLHAND_KUBERNETES_CONTEXT="arn:aws:eks:eu-west-1:1:cluster/lab",
        POOLHAND_KUBERNETES_SECCOMP="poolhand/app.json",
    ).cluster
    assert told == KubernetesSettings(
        Path("/mnt/shared"),
        "work",
        "team-a",
        "arn:aws:eks:eu-west-1:1:cluster/lab",
        "poolhand/app.json",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"POOLHAND_KUBERNETES_SHARED": ""}, "a folder that all nodes see"),
        ({"POOLHAND_KUBERNETES_CLAIM": "../x"}, "POOLHAND_KUBERNETES_CLAIM"),
        ({"POOLHAND_KUBERNETES_NAMESPACE": "Team/A"}, "POOLHAND_KUBERNETES_NAMESPACE"),
        ({"POOLHAND_KUBERNETES_CONTEXT": "--kubeconfig=x"}, "POOLHAND_KUBERNETES_CONTEXT"),
        ({"POOLHAND_KUBERNETES_SECCOMP": "../../x"}, "POOLHAND_KUBERNETES_SECCOMP"),
        ({"IEXEC_WORKER_GPU_ENABLED": "true"}, "no GPU.*--engine kubernetes"),
        ({"POOLHAND_SANDBOX": "gvisor"}, "run by what its nodes have"),
    ],
)
def test_what_kubernetes_cannot_give_is_refused_at_the_start(change, words):
    with pytest.raises(BadSetting, match=words):
        made(**{**KUBERNETES, **change})
