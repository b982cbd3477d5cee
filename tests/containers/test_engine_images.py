"""Images of a real engine: their size, and removing what nothing has."""

from __future__ import annotations

import pytest
from aiodocker import Docker
from container_world import ENGINE
from tiny_image import NAME, archive

from poolhand.containers.images import DockerImages
from poolhand.domain.errors import RuntimeDown

pytestmark = pytest.mark.docker
REFERENCE = f"{NAME}:to-be-removed"


@pytest.fixture
async def docker():
    async with Docker(ENGINE) as client:
        async for _ in client.images.import_image(
            archive({"to-be-removed": {"User": "4242"}}), stream=True
        ):
            pass
        yield client


async def test_an_image_goes_once_no_container_has_it(docker):
    async with DockerImages.open(ENGINE) as images:
        assert await images.size(REFERENCE) > 0
        container = await docker.containers.create({"Image": REFERENCE, "Cmd": ["x"]})
        try:
            assert not await images.remove(REFERENCE)
            assert await images.size(REFERENCE) > 0
        finally:
            await container.delete(force=True)
        assert await images.remove(REFERENCE)
        assert await images.size(REFERENCE) is None
        assert await images.remove(REFERENCE)


async def test_of_an_image_with_another_name_only_this_one_goes(docker):
    other = "poolhand-test-kept:1"
    await docker.images.tag(REFERENCE, repo="poolhand-test-kept", tag="1")
    async with DockerImages.open(ENGINE) as images:
        assert await images.remove(REFERENCE)
        assert await images.size(other) > 0
        assert await images.remove(other)


async def test_an_engine_that_is_away_is_told(tmp_path):
    async with DockerImages.open(f"unix://{tmp_path}/none.sock") as images:
        with pytest.raises(RuntimeDown):
            await images.size(REFERENCE)
        with pytest.raises(RuntimeDown):
            await images.remove(REFERENCE)
