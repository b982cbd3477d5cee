"""What is known of images: no more of them than run nowadays."""

from __future__ import annotations

from poolhand.containers.image_terms import MOST_IMAGES_KNOWN, ImageTerms


class Engine:
    """Has whatever image it is asked for, and counts what it is asked."""

    def __init__(self):
        self.images, self.asked = self, []

    async def inspect(self, image):
        self.asked.append(image)
        return {"Config": {"WorkingDir": "/app"}}


async def test_an_image_is_asked_for_once_until_very_many_others_have_run():
    engine = Engine()
    terms = ImageTerms(engine)
    names = [f"app-{number}" for number in range(3 * MOST_IMAGES_KNOWN)]
    for name in names:
        await terms.of(name)
        await terms.of(name)
    assert engine.asked == names
    assert len(terms._known) == MOST_IMAGES_KNOWN
    for name in names[-MOST_IMAGES_KNOWN:]:
        await terms.of(name)
    assert engine.asked == names
    await terms.of(names[0])
    assert engine.asked == [*names, names[0]]


async def test_the_image_that_runs_again_and_again_is_not_asked_for_again():
    engine = Engine()
    terms = ImageTerms(engine)
    for number in range(3 * MOST_IMAGES_KNOWN):
        await terms.of(f"app-{number}")
        await terms.of("mine")
    assert engine.asked.count("mine") == 1


async def test_a_working_folder_that_is_too_large_is_remembered_as_such():
    terms = ImageTerms(Engine())
    found = await terms.of("app")
    assert found.start is not None
    terms.give_up_copy("app", found)
    assert (await terms.of("app")).start is None
