"""The way to a cluster's API by the real kubectl, to a simulated cluster."""

from __future__ import annotations

import json

import pytest
from simulated_kubernetes import SimulatedKubernetes

from poolhand.containers.kubernetes.api import KubernetesApi
from poolhand.containers.kubernetes.proxy import kubectl_proxy
from poolhand.domain.errors import RuntimeDown


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    """Write kubectl's configuration: a context for a cluster's address."""

    def write(address: str) -> None:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "users": [{"name": "me", "user": {"token": "secret"}}],
            "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "me"}}],
        }
        (tmp_path / "config").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))

    return write


@pytest.mark.kubectl
async def test_kubectl_opens_the_api_with_its_own_login(tmp_path, kubeconfig):
    cluster = SimulatedKubernetes(tmp_path, None)
    async with cluster.serving() as address:
        kubeconfig(address)
        async with kubectl_proxy("lab") as http:
            api = KubernetesApi(http, "work")
            assert await api.version() == "v1.32.3"
            assert await api.jobs("poolhand/run=x") == []
            await api.delete_job("no-such-job")


@pytest.mark.kubectl
async def test_a_cluster_that_is_away_is_told_with_what_to_look_at(kubeconfig):
    kubeconfig("http://127.0.0.1:9")
    async with kubectl_proxy("lab") as http:
        with pytest.raises(RuntimeDown, match="see that its API answers"):
            await KubernetesApi(http, "work").version()


@pytest.mark.kubectl
async def test_a_context_that_is_not_there_is_told_at_once(kubeconfig):
    kubeconfig("http://127.0.0.1:9")
    with pytest.raises(RuntimeDown, match="kubectl get pods"):
        async with kubectl_proxy("another"):
            pass


async def test_without_kubectl_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeDown, match="kubectl cannot be run"):
        async with kubectl_proxy():
            pass
