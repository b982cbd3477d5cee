"""A confidential task across the network, in *simulated* enclaves: bought, computed, signed, read."""

from __future__ import annotations

import os
import zipfile

from enclave_world import enclave_of, written
from process_memory import found_in_memory, programs_of

from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import ChainTaskStatus

WORD = "xylophonic"
SENTENCE = f"marmots guard the {WORD} vault"
"""Of the dataset; the app prints single words of it, which is its own doing (ADR 0170)."""
TEXT = f"{SENTENCE} of marmots\n" * 40


def in_memory(network, secrets, known):
    """Name the programs that have a secret in memory, but for the one that keeps secrets.

    ``known`` is no secret: some have it, or nothing was looked at.
    """
    found, looked = {}, []
    for process, words in programs_of(network.home):
        if " sms serve" in words:
            continue
        told = found_in_memory(process, (*secrets, known))
        looked += [words] if known in told else []
        if left := [each for each in told if each != known]:
            found[words] = left
    assert any(" worker start" in words for words in looked), looked
    assert any(" pool serve" in words for words in looked), looked
    return found


async def test_a_dataset_is_read_in_an_enclave_alone_and_its_result_by_the_beneficiary_alone(
    enclaves, tmp_path
):
    network = enclaves
    clear, shut, key = (tmp_path / name for name in ("text.txt", "text.enc", "text.key"))
    clear.write_text(TEXT, encoding="utf-8")
    network.ok("dataset", "encrypt", str(clear), "--to", str(shut), "--key", str(key))
    files = network.home / "files"
    (files / "text.enc").write_bytes(shut.read_bytes())
    where = f"{network.info.files_url}/text.enc"
    data = network.ok("dataset", "deploy", where, "--file", str(shut))["address"]
    pair = tmp_path / "result.key"
    network.ok("results", "keypair", "--key", str(pair))
    network.ok("results", "push-key", "--key", str(pair))
    wish = ("run", network.image("word-statistics"), "--dataset", data, "--encrypt")
    wish += ("--tag", "tee", "--tag", "tdx", "--download", str(tmp_path / "results"))
    unpushed = network.cli(*wish, "--accept-simulated-tee", "--json")
    assert "push-secret" in unpushed.error["message"]
    push = ("dataset", "push-secret", data, "--key", str(key))
    assert "--accept-simulated-tee" in network.cli(*push, "--json").error["message"]
    network.ok(*push, "--accept-simulated-tee")
    unaccepted = network.cli(*wish, "--json")
    assert "--accept-simulated-tee" in unaccepted.error["message"]

    bought = network.ok(*wish, "--accept-simulated-tee", seconds=300)
    task = TaskId.parse(bought["tasks"][0]["task_id"])
    async with network.chain() as chain:
        seen = (await chain.hub.tasks({task: ()}))[task]
    assert seen.status is ChainTaskStatus.COMPLETED
    (worker,) = seen.contributors
    assert not (await enclave_of(network, task, worker)).is_zero

    (archive,) = (tmp_path / "results").glob("*.zip")
    opened = tmp_path / "opened.zip"
    network.ok("results", "decrypt", str(archive), "--key", str(pair), "--to", str(opened))
    with zipfile.ZipFile(opened) as result:
        told = b"".join(result.read(name) for name in result.namelist())
    assert WORD.encode() in told.lower()

    secrets = (SENTENCE.encode(), key.read_bytes().strip())
    found = [str(path) for path, raw in written(network) if any(each in raw for each in secrets)]
    assert found == []
    if os.geteuid() == 0:  # nobody else may read the memory of the signers
        assert in_memory(network, secrets, str(task).encode()) == {}
