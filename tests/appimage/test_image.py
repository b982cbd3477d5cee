"""An image is a value: said, compared, and refused where nothing could be made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand import Image
from poolhand.appimage.image import UnfitImage, described, place
from poolhand.appimage.requirements import UnfitRequirement

HASH = "sha256:" + "ab" * 32
INDEX = "--index_url".replace("_", "-")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    for name in ("main.py", "lib/words.py", "lib/__pycache__/words.pyc", ".env", "lib/.git/config"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(f"# {name}\n")
    return project


def test_nothing_but_what_is_visible_is_copied_of_a_folder(folder):
    image = Image.python("3.12").copy(folder, "code")
    assert [each.name for each in image.files] == ["/app/code/lib/words.py", "/app/code/main.py"]
    assert [each.name for each in Image.python().copy(folder / ".env").files] == ["/app/.env"]


def test_images_that_say_the_same_are_equal_wherever_their_files_lie(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_bytes((folder / "main.py").read_bytes())
    one = Image.python("3.12").pip("numpy>=2").copy(folder / "main.py").env(A="1", B="2")
    two = Image.python("3.12").env(B="2").env(A="1").copy(elsewhere, "main.py").pip("numpy>=2")
    assert one == two
    assert hash(one) == hash(two)
    assert one.content_id == two.content_id
    elsewhere.write_text("another")
    assert one.copy(elsewhere, "main.py").content_id != one.content_id


def test_each_part_counts_in_the_content_id(folder):
    image = Image.python("3.12")
    others = [
        Image.python("3.11"), Image.python("3.12", base="a/b"), image.pip("numpy"),
        image.copy(folder), image.env(A=""), image.entrypoint("a"), image.text("a", "b"),
        image.text("a", "c"),
    ]  # fmt: skip
    assert len({each.content_id for each in (image, *others)}) == 9


def test_an_image_remains_what_it_was(folder):
    image = Image.python("3.12")
    image.pip("numpy").copy(folder)
    assert image == Image.python("3.12")


def test_what_runs_is_said_or_clear(folder):
    image = Image.python("3.12")
    assert image.copy(folder / "main.py").runs == ("python3", "/app/main.py")
    assert image.text("only.py", "").runs == ("python3", "/app/only.py")
    assert image.text("a.py", "").text("b.py", "").text("main.py", "").runs[1] == "/app/main.py"
    assert image.entrypoint("sh", "-c", "true").runs == ("sh", "-c", "true")
    for unclear in (image, image.text("a.py", "").text("b.py", "")):
        with pytest.raises(UnfitImage, match="entry point"):
            _ = unclear.runs


@pytest.mark.parametrize("version", ["3", "2.7", "3.12.4", "3.12-slim", "latest", "3.12\n"])
def test_a_version_that_is_none_is_refused(version):
    with pytest.raises(UnfitImage, match=r"write 3\.12"):
        Image.python(version)


def test_the_usual_version_is_that_of_this_python():
    assert Image.python().python_version == f"3.{sys.version_info.minor}"


@pytest.mark.parametrize(
    "name", ["", "/", "../a", "a/../b", "a//b", "./a", "/etc/../a", "a\0b", "\ud800", "x" * 2000,
             "/iexec_in/data", "/proc/self/x"],
)  # fmt: skip
def test_a_name_that_leads_out_is_refused(name):
    with pytest.raises(UnfitImage):
        place(name)


@given(st.text())
def test_a_place_is_a_plain_absolute_name_whatever_is_asked_for(name):
    try:
        found = place(name)
    except UnfitImage:
        return
    parts = found.split("/")
    assert parts[0] == ""
    assert not {"", ".", ".."} & set(parts[1:])


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UnfitImage, match=r"gone\.py cannot be copied"):
        Image.python().copy(tmp_path / "gone.py")


def test_a_link_in_a_folder_leads_nowhere_else(folder):
    (folder / "around").symlink_to(folder)
    assert len(Image.python().copy(folder).files) == 2


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("./package", "name the package"),
        ("/srv/package", "name the package"),
        ("package.whl", "find-links"),
        ("numpy-1.0.tar.gz", "find-links"),
        ("a @ git+https://host.example/a", "pip wheel"),
        ("a @ https://host.example/a.tar.gz", "pip wheel"),
        ("a @ http://host.example/a.whl", "https"),
        ("a @ file:///srv/a.whl", "https"),
        ("git+https://host.example/a", "cannot be read"),
        ("numpy >< 2", "cannot be read"),
        ("\x1b[31m", "cannot be read"),
    ],
)
def test_what_would_be_built_is_refused_where_it_is_named(line, advice):
    with pytest.raises(UnfitRequirement, match=advice) as told:
        Image.python().pip(line)
    assert "\x1b" not in str(told.value)


def test_a_wheel_may_be_named_by_its_url():
    image = Image.python().pip("a @ https://host.example/a-1-py3-none-any.whl")
    assert len(image.requirements) == 1


def test_a_requirements_file_is_read_with_those_that_it_names(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text(
        f"# what it needs\n{INDEX} https://host.example/simple  # ours\n-f wheels\n"
        f"numpy==2.1 \\\n    --hash={HASH} \\\n    --hash={HASH[:-1]}c\n"
        "\nscipy[all] >= 1 ; python_version < '3.13'  # why\n-r more/others.txt\n--pre\n"
    )
    (tmp_path / "more" / "others.txt").write_text("pillow\nnumpy==2.1 --hash " + HASH + "\n")
    image = Image.python("3.12").from_requirements(tmp_path / "requirements.txt")
    assert [str(each) for each in image.requirements] == [
        f"numpy==2.1 --hash={HASH} --hash={HASH[:-1]}c",
        "scipy[all] >= 1 ; python_version < '3.13'",
        "pillow",
        f"numpy==2.1 --hash={HASH}",
    ]
    links = f"--find-links={tmp_path / 'wheels'}"
    assert image.indexes == (f"{INDEX}=https://host.example/simple", links, "--pre")
    assert described(image.text("a.py", ""))["entrypoint"] == ["python3", "/app/a.py"]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("-e .", "copy them into the image"),
        ("--editable=.", "copy them into the image"),
        ("-c constraints.txt", "write the versions"),
        ("--no-binary :all:", "only wheels"),
        ("--target /", "not known"),
        ("-r requirements.txt", "name one another"),
        ("-r gone.txt", "cannot be read"),
    ],
)
def test_a_line_that_cannot_be_followed_is_refused(tmp_path, line, advice):
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    with pytest.raises(UnfitRequirement, match=advice):
        Image.python().from_requirements(tmp_path / "requirements.txt")


def test_an_image_is_described_without_loading_what_builds_it():
    heavy = ("httpx", "packaging", "asyncio", "pydantic", "structlog")
    code = (
        "import sys; from poolhand import Image; Image.python().text('a.py', '').content_id; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
