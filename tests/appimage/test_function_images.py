"""An image that runs functions says which modules they may use: what is in it, and no more."""

from __future__ import annotations

import json

import cloudpickle
import pytest
from wheelhouse import Index, Shop, wheel

from poolhand import Image
from poolhand.appimage.base import BaseImage
from poolhand.appimage.building import ImageBuilder
from poolhand.appimage.composing import RunTerms, compose
from poolhand.appimage.image import FUNCTION_RUNNER
from poolhand.appimage.importable import importable
from poolhand.appimage.reference import ImageReference
from poolhand.domain.function_image import FUNCTIONS_LABEL, FunctionImage

TO = "127.0.0.1:5000/you/functions:1.0"


@pytest.fixture
def shop(tmp_path):
    found = Shop(tmp_path / "registry")
    found.put_base(tmp_path)
    return found


async def built(shop, image, tmp_path):
    """Build an image over a base and an index with two packages; return its config."""
    index = Index(tmp_path / "index")
    index.folder.mkdir()
    here = cloudpickle.__version__
    wheel(index.folder, "cloudpickle", here, files={"cloudpickle/__init__.py": ""})
    wheel(
        index.folder,
        "science",
        needs=["cloudpickle"],
        files={
            "science/deep/sums.py": "",
            "science.libs/libsums.so.1": "",
            "_speed.cpython-312-x86_64-linux-gnu.so": "",
            "six.py": "",
            "notes.txt": "",
        },
    )
    (tmp_path / "built").mkdir()
    async with shop.client() as http:
        builder = ImageBuilder(http, base_of=shop.base_of, wheels=index)
        found = await builder.build(image, tmp_path / "built")
    return json.loads(found.config)


async def test_an_image_names_the_modules_of_its_packages_and_of_what_was_copied(shop, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "part.py").write_text("")
    image = Image.python("3.12").pip("science").copy(tmp_path / "ours").functions()
    config = await built(shop, image, tmp_path)
    told = FunctionImage.of_config(config)
    assert told.python == (3, 12)
    assert told.modules == ("_speed", "cloudpickle", "ours", "poolhand_functions", "science", "six")
    assert config["config"]["Entrypoint"] == ["python3", "/app/poolhand_functions.py"]


async def test_an_image_that_runs_something_else_says_nothing(shop, tmp_path):
    image = Image.python("3.12").pip("science").text("main.py", "")
    assert FUNCTIONS_LABEL not in (await built(shop, image, tmp_path))["config"].get("Labels", {})


def test_what_a_base_tells_the_network_is_not_said_of_what_lies_over_it():
    labels = {FUNCTIONS_LABEL: '{"python": [3, 12]}', "maintainer": "somebody"}
    base = BaseImage(ImageReference.parse("a/b:1"), {"config": {"Labels": labels}}, ())
    for own, told in (({}, {}), ({FUNCTIONS_LABEL: "ours"}, {FUNCTIONS_LABEL: "ours"})):
        config = json.loads(compose([], RunTerms(labels=own), "linux/amd64", base).config)
        assert config["config"]["Labels"] == {"maintainer": "somebody", **told}


def test_an_image_has_the_runner_and_this_programs_cloudpickle():
    image = Image.python().functions()
    assert [str(each) for each in image.requirements] == [f"cloudpickle=={cloudpickle.__version__}"]
    assert image.files[0].source == FUNCTION_RUNNER.read_bytes()
    assert image.content_id != Image.python().content_id
    assert image == Image.python().functions()


def test_what_lies_elsewhere_cannot_be_imported():
    names = ["/opt/poolhand/bin/tool.py", "/data/words.py", "/app/a-b.py", "/app/x/y.txt"]
    assert importable(names) == ()
