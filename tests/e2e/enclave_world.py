"""What tests look at of a devnet that takes confidential tasks."""

from __future__ import annotations

from poolhand.chain.abi import calldata
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.ids import Address


def written(network):
    """Yield every file that a program of the network has written, by its path and bytes."""
    for path in network.home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


async def enclave_of(network, task, worker):
    """Return the address of the enclave that a contribution on chain names (its fourth word)."""
    data = calldata("viewContribution(bytes32,address)", task, worker)
    asked = {"to": network.info.hub, "data": data}
    async with NodeRpc(network.info.rpc_url) as node:
        told = await node.call("eth_call", asked, "latest")
    return Address(bytes.fromhex(told[2:])[3 * 32 + 12 : 4 * 32])
