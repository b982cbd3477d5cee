"""The appliance: its descriptor is what OVF asks for, its manifest and archive hold together."""

from __future__ import annotations

import re
import tarfile
from hashlib import sha1, sha256
from xml.etree import ElementTree as ET

import pytest
from vm.appliance import TEMPLATE, Damaged, descriptor, lay_out, manifest, pack, verify

GIB = 1024**3
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
PROCESSOR, MEMORY, NETWORK, DISK, SATA = 3, 4, 10, 17, 20


@pytest.fixture
def told():
    return ET.fromstring(descriptor("worker", "worker-disk1.vmdk", 1234, 16 * GIB))


def items(told):
    """Return the hardware: members of each item by name."""
    return [
        {member.tag.removeprefix(RASD): member.text for member in item}
        for item in told.iter(f"{OVF}Item")
    ]


def of_kind(told, kind):
    (found,) = (each for each in items(told) if each["ResourceType"] == str(kind))
    return found


def misordered(told):
    """Return items whose members are not in order of the alphabet, as the schema wants them."""
    names = [[member.tag for member in item] for item in told.iter(f"{OVF}Item")]
    return [each for each in names if each != sorted(each)]


def test_it_has_two_processors_and_2048_mb(told):
    assert of_kind(told, PROCESSOR)["VirtualQuantity"] == "2"
    memory = of_kind(told, MEMORY)
    assert (memory["VirtualQuantity"], memory["AllocationUnits"]) == ("2048", "byte * 2^20")


def test_the_disk_hangs_on_the_controller_and_is_the_file_that_comes_along(told):
    file, disk = next(told.iter(f"{OVF}File")), next(told.iter(f"{OVF}Disk"))
    assert (file.get(f"{OVF}href"), file.get(f"{OVF}size")) == ("worker-disk1.vmdk", "1234")
    assert disk.get(f"{OVF}fileRef") == file.get(f"{OVF}id")
    assert disk.get(f"{OVF}capacity") == str(16 * GIB)
    assert disk.get(f"{OVF}format").endswith("#streamOptimized")
    attached = of_kind(told, DISK)
    assert attached["HostResource"] == f"ovf:/disk/{disk.get(f'{OVF}diskId')}"
    assert attached["Parent"] == of_kind(told, SATA)["InstanceID"]


def test_its_network_is_one_that_it_names(told):
    names = [each.get(f"{OVF}name") for each in told.iter(f"{OVF}Network")]
    assert [of_kind(told, NETWORK)["Connection"]] == names


def test_members_are_in_the_order_of_the_schema_and_ids_are_unique(told):
    assert misordered(told) == []
    ids = [each["InstanceID"] for each in items(told)]
    assert len(set(ids)) == len(ids) == 6


def test_a_member_out_of_order_would_be_noticed(told):
    item = next(told.iter(f"{OVF}Item"))
    item.append(item[0])
    item.remove(item[0])
    assert len(misordered(told)) == 1


def test_no_name_breaks_the_descriptor():
    told = ET.fromstring(descriptor('a<b> & "c"', "d&e.vmdk", 1, 1))
    assert next(told.iter(f"{OVF}Name")).text == 'a<b> & "c"'
    assert next(told.iter(f"{OVF}File")).get(f"{OVF}href") == "d&e.vmdk"


def test_every_gap_of_the_template_is_filled():
    assert set(re.findall(r"\$\{(\w+)\}", TEMPLATE.read_text(encoding="utf-8"))) == {
        "about",
        "capacity",
        "disk",
        "name",
        "size",
    }


@pytest.fixture
def disk(tmp_path):
    made = tmp_path / "built.vmdk"
    made.write_bytes(b"KDMV" + bytes(range(256)) * 40)
    return made


def members(archive):
    with tarfile.open(archive, "r:") as opened:
        return {each.name: opened.extractfile(each).read() for each in opened.getmembers()}


def broken(files):
    """Return the files whose hash is not what the manifest says, or which it does not name."""
    told = dict(
        re.findall(r"^SHA1\(([^)]+)\)= ([0-9a-f]{40})$", files["w.mf"].decode(), re.MULTILINE)
    )
    rest = {name: body for name, body in files.items() if name != "w.mf"}
    return [name for name, body in rest.items() if told.get(name) != sha1(body).hexdigest()]


def test_the_descriptor_comes_first_and_the_manifest_has_the_hash_of_all_others(tmp_path, disk):
    files = members(pack("w", disk, GIB, tmp_path))
    assert list(files) == ["w.ovf", "w.mf", "w-disk1.vmdk"]
    assert broken(files) == []
    assert broken({**files, "w-disk1.vmdk": files["w-disk1.vmdk"] + b"\0"}) == ["w-disk1.vmdk"]
    assert files["w-disk1.vmdk"] == disk.read_bytes()


def test_what_was_packed_is_laid_out_again(tmp_path, disk):
    place = tmp_path / "out"
    place.mkdir()
    assert lay_out(pack("w", disk, GIB, tmp_path), place) == place / "w-disk1.vmdk"
    assert (place / "w-disk1.vmdk").read_bytes() == disk.read_bytes()
    assert {each.name for each in place.iterdir()} == {"w.ovf", "w.mf", "w-disk1.vmdk"}


def test_no_name_in_an_archive_leads_out_of_the_folder(tmp_path, disk):
    place = tmp_path / "laid" / "out"
    place.mkdir(parents=True)
    with tarfile.open(tmp_path / "w.ova", "w") as archive:
        archive.add(disk, "../w-disk1.vmdk")
    assert lay_out(tmp_path / "w.ova", place) == place / "w-disk1.vmdk"
    assert list(place.parent.iterdir()) == [place]


def test_the_archive_is_plain_ustar_and_says_nothing_of_who_packed_it(tmp_path, disk):
    with tarfile.open(pack("w", disk, GIB, tmp_path), "r:") as opened:
        entries = opened.getmembers()
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in entries} == {
        (0, 0, "", "", 0)
    }
    assert (tmp_path / "w.ova").read_bytes()[257:265] == b"ustar\x0000"


def test_the_same_disk_gives_the_same_bytes_with_their_hash_beside_them(tmp_path, disk):
    other = tmp_path / "other"
    other.mkdir()
    first, second = (pack("w", disk, GIB, each).read_bytes() for each in (tmp_path, other))
    assert first == second
    said = (tmp_path / "w.ova.sha256").read_text(encoding="utf-8")
    assert said == f"{sha256(first).hexdigest()}  w.ova\n"


def test_a_manifest_has_the_form_that_readers_of_ovf_1_know():
    assert manifest({"a.ovf": "0" * 40}) == b"SHA1(a.ovf)= " + b"0" * 40 + b"\n"


def test_an_archive_that_was_changed_anywhere_does_not_pass(tmp_path):
    disk = tmp_path / "d.vmdk"
    disk.write_bytes(b"KDMV" + bytes(2_000))
    archive, told = pack("w", disk, GIB, tmp_path), tmp_path / "w.ova.sha256"
    verify(archive)
    whole = archive.read_bytes()
    changes = [(b"KDMV", b"KDMX"), (b"2048 MB", b"1024 MB"), (b"SHA1(w.ovf", b"SHA1(x.ovf")]
    for old, new in changes:
        archive.write_bytes(whole.replace(old, new))
        with pytest.raises(Damaged, match=r"SHA-256 of w\.ova does not fit"):
            verify(archive)
        told.write_text(f"{sha256(archive.read_bytes()).hexdigest()}  w.ova\n")
        with pytest.raises(Damaged, match=r"SHA-1 of|files of w.mf"):
            verify(archive)
        told.write_text(f"{sha256(whole).hexdigest()}  w.ova\n")
