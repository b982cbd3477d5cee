"""Pulls over an engine in memory: what is asked, with whose login, and what a failure is called.

One file, for each asks the same engine for the same image.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json

import pytest
from fake_engine import PLAIN, FakeEngine, serving
from structlog.testing import capture_logs

from poolhand.containers.docker import DockerRuntime
from poolhand.containers.engine import MOST_ENGINE_ANSWER, connect
from poolhand.containers.errors import EngineFull, ImageNotFound, ImagePullFailed, ImageUnusable
from poolhand.containers.pull_causes import PullCause, cause_of
from poolhand.containers.pull_tally import MOST_LAYERS_COUNTED, PullTally
from poolhand.containers.pulls import MOST_CONFIG, MOST_PULL_STEPS
from poolhand.domain.errors import Refused, RuntimeDown, Unavailable
from poolhand.settings.registries import RegistryLogin

DIGEST = "ab" * 32
NAME = "registry.test:5000/owner/app"
REFERENCE = f"{NAME}@sha256:{DIGEST}"


def failing(message):
    engine = FakeEngine()
    engine.steps = [{"error": message, "errorDetail": {"message": message}}]
    return engine


async def pull(engine, timeout=5, **options):
    async with serving(engine) as url, DockerRuntime.open(url, **options) as runtime:
        return await runtime.pull(f"{NAME}:1.0", DIGEST, timeout)


def arriving(**image):
    engine = FakeEngine()
    engine.arrives = {REFERENCE: PLAIN | image}
    return engine


async def test_an_image_is_pulled_by_its_digest_and_becomes_present():
    engine = arriving()
    assert await pull(engine) == REFERENCE
    assert len(engine.logins) == 1


async def test_a_present_image_is_not_asked_of_a_registry():
    engine = FakeEngine()
    engine.images = {REFERENCE: PLAIN}
    assert await pull(engine) == REFERENCE
    assert engine.logins == []


MESSAGES = [
    (PullCause.PLATFORM, "no matching manifest for linux/amd64 in the manifest list entries"),
    (PullCause.PLATFORM, 'image operating system "windows" cannot be used on this platform'),
    (PullCause.FORMAT, ("mediaType in manifest should be 'application/vnd.docker.distribution."
     "manifest.v2+json' not 'text/html'")),
    (PullCause.FORMAT, "unsupported manifest media type and no default available: text/html"),
    (PullCause.DIGEST, "manifest verification failed for digest sha256:" + "40" * 32),
    (PullCause.DIGEST, "filesystem layer verification failed for digest sha256:" + "5" * 64),
    (PullCause.LOGIN, ("pull access denied for owner/app, repository does not exist or may require "
     "'docker login': denied: requested access to the resource is denied")),
    (PullCause.LOGIN, "unauthorized: authentication required"),
    (PullCause.LOGIN, "no basic auth credentials"),
    (PullCause.NOT_FOUND, "manifest unknown: manifest unknown"),
    (PullCause.NOT_FOUND, "manifest for 127.0.0.1:5000/a@sha256:" + "5" * 64 + " not found"),
    (PullCause.BUSY, "toomanyrequests: You have reached your pull rate limit"),
    (PullCause.NETWORK, 'Get "https://x.test/v2/": dial tcp: lookup x.test: no such host'),
    (PullCause.NETWORK, 'Get "https://x.test/v2/": x509: certificate signed by unknown authority'),
    (PullCause.NETWORK, 'Get "http://127.0.0.1:9/v2/": dial tcp: connect: connection refused'),
    (PullCause.NETWORK, "net/http: TLS handshake timeout"),
    (PullCause.NO_ROOM, "write /var/lib/docker/tmp/x: no space left on device"),
    (PullCause.UNKNOWN, "the moon is in the wrong house"),
]  # fmt: skip


@pytest.mark.case("D3")
@pytest.mark.parametrize(("cause", "message"), MESSAGES)
async def test_causes_are_told_apart_and_the_engines_words_stay_here(cause, message):
    with pytest.raises((Refused, Unavailable)) as caught:
        await pull(failing(f"{message} SECRET-OF-THE-NETWORK"))
    assert cause.happened in str(caught.value)
    assert message not in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert cause_of(500, message) is cause


@pytest.mark.case("D3")
@pytest.mark.parametrize(("cause", "message"), MESSAGES)
async def test_what_will_never_work_is_refused_and_what_may_is_not(cause, message):
    lasting = {PullCause.PLATFORM, PullCause.FORMAT, PullCause.DIGEST, PullCause.NOT_FOUND}
    with pytest.raises(Refused if cause in lasting else Unavailable):
        await pull(failing(message))


async def test_no_words_but_a_404_is_not_found():
    engine = FakeEngine()
    engine.pull_status, engine.steps = 404, [{"message": "?"}]
    with pytest.raises(ImageNotFound, match="no such image"):
        await pull(engine)


@pytest.mark.case("D3")
@pytest.mark.parametrize("present", [True, False])
async def test_an_image_for_another_processor_is_refused_by_name(present):
    engine = arriving(Architecture="arm64")
    if present:
        engine.images = dict(engine.arrives)
    with pytest.raises(ImageUnusable, match=r"linux/amd64.*linux/arm64") as caught:
        await pull(engine)
    assert caught.value.cause is PullCause.PLATFORM
    assert "must build it for linux/amd64" in str(caught.value)


async def test_an_image_that_names_no_processor_is_tried():
    engine = arriving()
    engine.arrives = {REFERENCE: {"Config": {}}}
    assert await pull(engine) == REFERENCE


async def test_a_pull_that_ends_early_has_failed():
    with pytest.raises(ImagePullFailed, match="connection broke"):
        await pull(FakeEngine())


async def test_a_pull_that_does_not_end_is_given_up_in_time():
    engine = FakeEngine()
    asked, gate = asyncio.Event(), asyncio.Event()

    async def hang(_request):
        asked.set()
        await gate.wait()

    engine._pull = hang
    with pytest.raises(ImagePullFailed, match="not complete in time"):
        await pull(engine, timeout=0.05)
    assert asked.is_set()


# ----------------------------------------------------------------------------------------- logins


def credentials(header):
    return json.loads(base64.urlsafe_b64decode(header)) if header else None


def login_of(registry):
    async def find(asked):
        return RegistryLogin(asked, "me", "secret") if asked == registry else None

    return find


@pytest.mark.case("D8")
async def test_the_login_of_a_registry_goes_to_the_engine():
    engine = arriving()
    await pull(engine, login_of=login_of("registry.test:5000"))
    assert [credentials(each) for each in engine.logins] == [
        {"username": "me", "password": "secret", "serveraddress": "registry.test:5000"}
    ]


@pytest.mark.case("D8")
async def test_the_login_of_another_registry_goes_nowhere():
    engine = arriving()
    await pull(engine, login_of=login_of("other.test"))
    assert [credentials(each) for each in engine.logins] == [None]


@pytest.mark.case("D8")
async def test_a_login_that_is_refused_is_left_out_and_then_told():
    engine = failing("unauthorized: incorrect username or password")
    with pytest.raises(ImagePullFailed, match="does not accept this worker's login"):
        await pull(engine, login_of=login_of("registry.test:5000"))
    assert [credentials(each) is None for each in engine.logins] == [False, True]


async def test_with_a_login_too_a_missing_image_is_asked_for_once():
    engine = failing("manifest unknown")
    with pytest.raises(ImageNotFound):
        await pull(engine, login_of=login_of("registry.test:5000"))
    assert len(engine.logins) == 1


# ------------------------------------------------------------------------------- who may be asked


@pytest.mark.case("A8")
async def test_a_registry_that_may_not_be_asked_is_not():
    engine, asked = arriving(), []

    async def rule(registry):
        asked.append(registry)
        return False

    with pytest.raises(ImageUnusable, match="pulls nothing from that registry"):
        await pull(engine, may_ask=rule)
    assert asked == ["registry.test:5000"]
    assert engine.logins == []


@pytest.mark.parametrize("broken", ["version", "image"])
async def test_an_engine_with_a_fault_of_its_own_is_as_good_as_down(broken):
    engine = arriving()
    async with serving(engine) as url, DockerRuntime.open(url) as runtime:
        engine.refusals[broken] = (500, "containerd is away")
        with pytest.raises(RuntimeDown):
            await runtime.pull(NAME, DIGEST, 5)


async def test_an_engine_that_ends_in_the_middle_of_a_pull_is_down():
    engine = FakeEngine()
    engine.steps = [{"error": "grpc: the client connection is closing: context canceled"}]
    async with serving(engine) as url, DockerRuntime.open(url) as runtime:
        with pytest.raises(RuntimeDown):
            await runtime.pull(NAME, DIGEST, 5)


NO_ROOM = "write /var/lib/docker/tmp/x: no space left on device"


async def test_an_engine_whose_disk_is_full_is_no_fault_of_the_apps():
    engine = failing(NO_ROOM)
    engine.info = {"DockerRootDir": "/proc"}  # a disk without any room
    with pytest.raises(EngineFull, match="free some space on it"):
        await pull(engine)


@pytest.mark.parametrize("folder", [{"DockerRootDir": "/"}, {"DockerRootDir": "/no/such"}, {}])
async def test_a_registry_that_says_the_disk_is_full_is_not_believed(folder):
    engine = failing(NO_ROOM)
    engine.info = folder
    with pytest.raises(ImagePullFailed) as failed:
        await pull(engine)
    assert failed.value.cause is PullCause.NO_ROOM


async def test_an_image_that_fills_the_engines_disk_is_ended_before_and_no_fault_of_the_workers(
    tmp_path,
):
    root, elsewhere = tmp_path / "root", tmp_path / "full"
    root.symlink_to("/")
    elsewhere.symlink_to("/proc")  # a disk without any room
    engine = arriving()
    engine.hung_up = asyncio.Event()
    engine.info = {"DockerRootDir": str(root)}
    async with serving(engine) as url, DockerRuntime.open(url) as runtime:
        pulling = asyncio.create_task(runtime.pull(NAME, DIGEST, 60))
        async with asyncio.timeout(60):
            while not engine.logins:  # noqa: ASYNC110 - the pull has begun
                await asyncio.sleep(0.005)
        elsewhere.rename(root)
        with pytest.raises(ImagePullFailed) as failed:
            await pulling
        assert failed.value.cause is PullCause.NO_ROOM
        async with asyncio.timeout(60):
            await engine.hung_up.wait()


async def test_an_engine_that_says_it_is_full_was_filled_by_what_came(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "full"
    root.symlink_to("/")
    elsewhere.symlink_to("/proc")
    engine = failing(NO_ROOM)
    engine.info = {"DockerRootDir": str(root)}
    engine.on_pull = lambda: elsewhere.rename(root)
    with pytest.raises(ImagePullFailed) as failed:
        await pull(engine)
    assert failed.value.cause is PullCause.NO_ROOM


async def test_a_full_engine_is_told_until_an_image_has_been_fetched():
    engine = failing(NO_ROOM)
    engine.info = {"DockerRootDir": "/proc"}
    other = REFERENCE.replace("owner", "other")
    engine.images = {other: PLAIN}

    def told():
        return [line["event"] for line in lines if line["event"].startswith("engine_")]

    with capture_logs() as lines:
        async with serving(engine) as url, DockerRuntime.open(url) as runtime:
            lines.clear()
            for _ in range(2):
                with pytest.raises(EngineFull):
                    await runtime.pull(NAME, DIGEST, 5)
            await runtime.pull(NAME.replace("owner", "other"), DIGEST, 5)  # it was there
            assert told() == ["engine_full"]
            engine.steps, engine.arrives = [], {REFERENCE: PLAIN}
            await runtime.pull(NAME, DIGEST, 5)
            assert told() == ["engine_full", "engine_has_room"]


async def test_an_engine_that_may_not_be_asked_of_itself_pulls_all_the_same():
    engine = arriving()
    engine.refusals["info"] = (403, "forbidden by the proxy before the socket")
    assert await pull(engine) == REFERENCE


async def test_a_full_disk_explains_no_other_failure():
    engine = failing("dial tcp: connection refused")
    engine.info = {"DockerRootDir": "/proc"}
    with pytest.raises(ImagePullFailed):
        await pull(engine)


LONG = "error parsing HTTP 403 response body: "


@pytest.mark.parametrize("size", [600_000, 3 * MOST_ENGINE_ANSWER])
@pytest.mark.parametrize("status", [200, 500])
async def test_a_registry_that_answers_without_end_fails_its_own_image_alone(size, status):
    engine = failing(LONG + "z" * size)
    if status != 200:
        engine.pull_status, engine.steps = status, [{"message": LONG + "z" * size}]
    async with serving(engine) as url, DockerRuntime.open(url) as runtime:
        with pytest.raises(ImagePullFailed) as failed:
            await runtime.pull(NAME, DIGEST, 20)
        assert failed.value.cause is PullCause.UNKNOWN
        engine.images = {REFERENCE: PLAIN}
        assert await runtime.pull(NAME, DIGEST, 5) == REFERENCE


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("size", [MOST_CONFIG, MOST_ENGINE_ANSWER])
async def test_an_image_whose_configuration_would_fill_the_workers_memory_is_unusable(
    size, present
):
    engine = arriving(Config={"Labels": {"a": "z" * size}})
    if present:
        engine.images = dict(engine.arrives)
    with pytest.raises(ImageUnusable) as failed:
        await pull(engine)
    assert failed.value.cause is PullCause.CONFIG


async def test_no_answer_of_an_engine_is_read_without_end():
    engine = FakeEngine()
    engine.images = {REFERENCE: PLAIN}
    engine.version |= {"Arch": "z" * MOST_ENGINE_ANSWER}
    with pytest.raises(RuntimeDown, match="an answer of more than"):
        await pull(engine)


async def test_an_answer_that_is_given_up_leaves_no_connection(tmp_path):
    hung_up = asyncio.Event()

    async def begin(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await reader.read()
        hung_up.set()
        writer.close()

    path = tmp_path / "engine.sock"
    async with await asyncio.start_unix_server(begin, path):
        docker = connect(f"unix://{path}")
        gc.disable()  # nobody else closes the connection
        try:
            answer = await docker.session.get(f"{docker.docker_host}/version")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(answer.read(), 0.05)
            async with asyncio.timeout(60):
                await hung_up.wait()
        finally:
            gc.enable()
            await docker.close()


async def test_an_image_with_thousands_of_layers_does_not_fill_the_log():
    engine = arriving()
    engine.steps = [{"status": "Pull complete", "id": str(n)} for n in range(3 * MOST_PULL_STEPS)]
    with capture_logs() as lines:
        await pull(engine)
    told = [line for line in lines if line["event"] == "image_layer_advanced"]
    assert len(told) == MOST_PULL_STEPS


async def test_a_pull_that_is_given_up_ends_in_the_engine_too():
    engine = arriving()
    engine.hung_up = asyncio.Event()
    async with serving(engine) as url, DockerRuntime.open(url) as runtime:
        gc.disable()  # nobody else closes the connection
        try:
            with pytest.raises(ImagePullFailed) as failed:
                await runtime.pull(NAME, DIGEST, 0.05)
            assert failed.value.cause is PullCause.TOO_SLOW
            async with asyncio.timeout(60):
                await engine.hung_up.wait()
        finally:
            gc.enable()


def coming(layer, current, **more):
    detail = {"current": current, "total": 10**6}
    return {"status": "Downloading", "id": layer, "progressDetail": detail} | more


async def test_how_much_of_an_image_has_come_is_told_while_it_is_pulled():
    engine = arriving()
    engine.hung_up = asyncio.Event()
    engine.steps = [
        {"status": "Already exists", "id": "a"},
        coming("b", 100),
        coming("c", 30),
        coming("b", 700),
        coming("c", 10),  # it is told in no order
        {"status": "Extracting", "id": "b", "progressDetail": {"current": 5_000, "total": 9_000}},
    ]
    async with serving(engine) as url, DockerRuntime.open(url) as runtime:
        assert runtime.pulling(REFERENCE) is None
        pulling = asyncio.create_task(runtime.pull(NAME, DIGEST, 60))
        async with asyncio.timeout(60):
            while runtime.pulling(REFERENCE) != 730:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)
        pulling.cancel()
        await asyncio.gather(pulling, return_exceptions=True)
        async with asyncio.timeout(60):
            await engine.hung_up.wait()
        assert runtime.pulling(REFERENCE) is None


@pytest.mark.parametrize(
    "step",
    [
        coming("b", -1),
        coming("b", 2**70),
        coming("b", True),
        coming("b", "7"),
        coming(["b"], 7),
        coming("b", 7, progressDetail=[7]),
        coming("b", 7, progressDetail=None),
    ],
)
def test_what_is_no_size_is_not_counted(step):
    tally = PullTally()
    tally.take(step)
    assert tally.bytes == 0


def test_an_image_with_thousands_of_layers_is_counted_in_bounded_memory():
    tally = PullTally()
    for number in range(3 * MOST_LAYERS_COUNTED):
        tally.take(coming(f"{number}", 1))
    assert tally.bytes == MOST_LAYERS_COUNTED
