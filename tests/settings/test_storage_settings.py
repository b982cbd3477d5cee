"""Where a results service keeps archives: by a URL that holds no secret."""

from __future__ import annotations

import pytest

from poolhand.settings.load import BadSetting, load
from poolhand.settings.results import RESULTS_OPTIONS, results_settings
from poolhand.settings.storage import StorageChoice

CHAIN = {"chain": "arbitrum"}


def written(tmp_path, text: str, mode: int = 0o600) -> str:
    path = tmp_path / "credentials"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_bucket_is_read_with_its_credentials(tmp_path):
    file = written(
        tmp_path,
        "[default]\naws_access_key_id = KEY\naws_secret_access_key = hid%den\n"
        "aws_session_token = token\n",
    )
    url = "s3://results/of/pool?endpoint=https://s3.example/&region=eu-west-3"
    found = StorageChoice.parse(url).with_credentials(file)
    assert (found.bucket, found.prefix) == ("results", "of/pool")
    assert (found.endpoint, found.region) == ("https://s3.example", "eu-west-3")
    assert (found.key_id, found.secret, found.token) == ("KEY", "hid%den", "token")
    assert "hid%den" not in repr(found)
    assert "token" not in repr(found).replace("token=", "")


def test_a_node_is_read_with_what_it_asks_for(tmp_path):
    found = StorageChoice.parse("ipfs+https://node.example:5001/")
    assert (found.kind, found.rpc) == ("ipfs", "https://node.example:5001")
    assert found.with_credentials("") == found
    file = written(tmp_path, "[ipfs]\nauthorization = Bearer abc\n")
    assert found.with_credentials(file).authorization == "Bearer abc"


@pytest.mark.parametrize("text", ["", "disk", " disk "])
def test_the_disk_is_what_there_is_otherwise(text):
    assert StorageChoice.parse(text).with_credentials("") == StorageChoice()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ftp://host/", "write disk, s3://"),
        ("s3://key:secret@results/", "--storage-credentials"),
        ("ipfs+http://user:secret@host", "--storage-credentials"),
        ("s3://results/?endpoint=http://u:p@host", "--storage-credentials"),
        ("s3://R/", "a bucket has"),
        ("s3://results/a b", "a prefix has"),
        ("s3://results/../b", "a prefix has"),
        ("s3://results/?key=1", "'key' is unknown"),
        ("s3://results/?endpoint=host", "http://"),
        ("ipfs+http://", "write disk"),
        ("ipfs+http://host/?a=b", "'\\?'"),
    ],
)
def test_a_url_that_names_no_storage_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        StorageChoice.parse(text)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (None, 0, "cannot read"),
        ("[default]\n", 0o644, "chmod 600"),
        ("nonsense", 0o600, "is not written as"),
        ("[default]\naws_access_key_id = KEY\n", 0o600, "aws_secret_access_key"),
        ("", 0o600, "aws_access_key_id"),
    ],
)
def test_credentials_that_do_not_read_are_told(tmp_path, text, mode, why):
    file = str(tmp_path / "nowhere") if text is None else written(tmp_path, text, mode)
    with pytest.raises(BadSetting, match=why) as fault:
        StorageChoice.parse("s3://results/").with_credentials(file)
    assert "KEY" not in str(fault.value)


def test_what_is_shown_of_the_settings_holds_no_secret(tmp_path):
    file = written(tmp_path, "[default]\naws_access_key_id = KEY\naws_secret_access_key = hidden\n")
    flags = CHAIN | {"storage": "s3://results/pool", "storage-credentials": file}
    found = load(RESULTS_OPTIONS, flags, {})
    told = " ".join(row.shown for row in found.rows())
    assert "s3://results/pool" in told
    assert "hidden" not in told
    settings = results_settings(found)
    assert settings.storage.secret == "hidden"
    assert "hidden" not in repr(settings)
