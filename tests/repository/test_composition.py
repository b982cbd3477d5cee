"""Parts are whole when made (ADR 0032), made in one place, and given few things (ADR 0026)."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from sources import PACKAGE, called, nodes, trees

APPS = ("scheduler", "worker", "results", "requester", "market", "sms")
RECORD = "a record that its one owner keeps, not a part that is joined"
FOREIGN = "a library's object is filled in this way"
CAUSE = "the cause of another refusal is kept"
FAREWELL = "what Ctrl-C says from now on: something was bought, or asked for"
VERB = "a function that is made into a verb has another's form"
ALLOWED = {
    ("market/pages/frame.py", "found.globals"): (2, "Jinja's environment is filled in this way"),
    ("market/pages/live.py", "stream.is_due"): (3, RECORD),
    ("market/pages/live.py", "stream.text"): (1, RECORD),
    ("scheduler/placement.py", "self._planner.can_initialize"): (1, "the pool's gas, told anew"),
    ("scheduler/task_feeds.py", "output.progress"): (1, RECORD),
    ("scheduler/task_feeds.py", "reading.quiet"): (1, RECORD),
    ("results/unbought_inputs.py", "holder.size"): (2, RECORD),
    ("results/unbought_inputs.py", "holder.stake"): (1, RECORD),
    ("results/unbought_inputs.py", "holder.version"): (1, RECORD),
    ("worker/app_feeds.py", "feed.base"): (1, RECORD),
    ("worker/app_feeds.py", "feed.beaten_at"): (2, RECORD),
    ("worker/app_feeds.py", "feed.has_said_last"): (1, RECORD),
    ("worker/app_feeds.py", "feed.is_followed"): (2, RECORD),
    ("worker/app_feeds.py", "feed.is_new_run"): (2, RECORD),
    ("worker/app_feeds.py", "feed.looked_at"): (2, RECORD),
    ("worker/app_feeds.py", "feed.progress"): (1, RECORD),
    ("worker/app_feeds.py", "feed.reading"): (1, RECORD),
    ("worker/app_feeds.py", "feed.told"): (1, RECORD),
    ("worker/archive.py", "entry.compress_type"): (1, FOREIGN),
    ("worker/archive.py", "entry.create_system"): (1, FOREIGN),
    ("worker/archive.py", "entry.external_attr"): (1, FOREIGN),
    ("worker/archive.py", "entry.file_size"): (1, FOREIGN),
    ("worker/deposit.py", "told.is_mined"): (1, CAUSE),
    ("worker/offers.py", "self.standing.idle"): (1, RECORD),
    ("worker/offers.py", "self.standing.offers.accepted"): (1, RECORD),
    ("worker/offers.py", "self.standing.offers.seen"): (1, RECORD),
    ("worker/pool_member.py", "self.standing.idle"): (1, RECORD),
    ("worker/stages/contribute.py", "verdict.is_mined"): (
        1,
        CAUSE,
    ),
    ("worker/tee/relay.py", "self.report.asked"): (1, RECORD),
    ("worker/tee/relay.py", "self.report.causes"): (1, RECORD),
    ("worker/tee/relay.py", "self.report.computed"): (1, RECORD),
}
"""Attributes of others that are assigned to all the same: how often, and why."""


BESIDES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "chain/broadcast.py": (RECORD, ("told.faults",)),
    "chain/fake/sender.py": (CAUSE, ("mined.refusal.is_mined",)),
    "chain/keeper.py": (RECORD, ("first.quiet", "pending.doubted", "pending.is_told_stuck")),
    "chain/quote.py": (CAUSE, ("fault.is_mined",)),
    "chain/rpc.py": (
        "what the one who asks it knows of an endpoint",
        ("endpoint.checked", "endpoint.expelled", "endpoint.head"),
    ),
    "chain/watcher.py": (RECORD, ("place.next", "place.told")),
    "client/functions/bag_journal.py": (RECORD, ("record.deal_id",)),
    "client/functions/calls.py": (RECORD, ("chunk.place", "record.buying")),
    "client/functions/chunks.py": (RECORD, ("each.chunk", "future.chunk")),
    "client/functions/executor.py": (RECORD, ("self.whole.chunk", "together.whole.chunk")),
    "cli/deal.py": (FAREWELL, ("command.farewell",)),
    "containers/vm/tools.py": (
        FOREIGN,
        ("folder.mode", "folder.type", "info.mode", "info.size"),
    ),
    "cli/doctor.py": (VERB, ("command.__annotations__", "command.__signature__")),
    "cli/fleet/verbs.py": (FAREWELL, ("command.farewell",)),
    "cli/fleet/starting.py": ("a fork goes on as another program", ("sys.argv",)),
    "cli/fleet/steps.py": (FAREWELL, ("command.farewell",)),
    "cli/join.py": (FAREWELL, ("command.farewell",)),
    "cli/main.py": (FOREIGN, ("command.name",)),
    "cli/plain.py": (FOREIGN, ("each._runtime_param", "each.metavar")),
    "cli/pool.py": (FAREWELL, ("command.farewell",)),
    "cli/programs.py": (VERB, ("command.__annotations__", "command.__signature__")),
    "cli/replay.py": (RECORD, ("story.fault", "story.state")),
    "cli/run.py": (FAREWELL, ("command.farewell",)),
    "cli/selling.py": (VERB, ("publish.__doc__", "unpublish.__doc__")),
    "cli/tables.py": (FOREIGN, ("line.no_wrap", "line.overflow")),
    "cli/task.py": (FAREWELL, ("command.farewell",)),
    "cli/top/screen.py": (
        FOREIGN,
        ("days.data", "days.display", "place.border_title", "place.display", "table.display"),
    ),
    "cli/verb.py": (
        VERB,
        ("run.__annotations__", "run.__doc__", "run.__name__", "run.__signature__"),
    ),
    "containers/engine.py": (FOREIGN, ("docker.session",)),
    "devnet/contracts.py": (RECORD, ("plan.steps",)),
    "devnet/faults/bad_node.py": (RECORD, ("socket.held",)),
    "devnet/faults/line.py": (RECORD, ("connection.caller", "connection.far")),
    "appimage/archive.py": (FOREIGN, ("info.size",)),
    "appimage/wheel.py": (FOREIGN, ("read.optionxform",)),
    "appimage/layers.py": (FOREIGN, ("info.linkname", "info.mode", "info.size", "info.type")),
    "devnet/registry.py": (FOREIGN, ("app.router",)),
    "domain/market/rates.py": (RECORD, ("window.count",)),
    "domain/placement/rank_tree.py": (
        RECORD,
        ("left.right", "node.left", "node.right", "node.sum", "right.left"),
    ),
    "store/market/writer.py": (RECORD, ("piece.fault", "piece.result")),
    "store/memory.py": (
        "a copy of itself, in its own class",
        ("fresh._archive", "fresh._marks", "fresh._records"),
    ),
    "store/sms/rotation.py": (
        RECORD,
        ("report.dropped", "report.master", "report.resealed", "report.resumed"),
    ),
    "store/sql_engine.py": (RECORD, ("driver.limit",)),
    "containers/slurm/layer_archive.py": (
        FOREIGN,
        tuple(f"member.{name}" for name in ("name", "linkname", "uid", "gid", "mtime", "size")),
    ),
    "transport/bearer.py": (FOREIGN, ("guarded.app",)),
    "transport/fetcher_service.py": (RECORD, ("report.why",)),
    "transport/guarded_http.py": (FOREIGN, ("self.cycle.disconnected",)),
    "transport/guarded_socket.py": (RECORD, ("self._guard.fault",)),
    "transport/listen.py": (FOREIGN, ("server.should_exit",)),
    "transport/session_client.py": (RECORD, ("link.written_at", "socket.heard")),
    "transport/session_hub.py": (RECORD, ("session.heard", "session.outlet")),
    "transport/tunnel.py": (
        RECORD,
        ("report.why", "self.report.address", "self.report.host", "self.report.why"),
    ),
}
"""The same outside of the programs, by module."""


def assigned(tree: ast.Module) -> Iterator[str]:
    """Yield what is assigned to, of objects that are not one's own: ``self.a.b``, ``c.d``."""
    for node in nodes(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if ast.unparse(node.value) not in ("self", "cls"):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and called(node) == "setattr":
            yield ast.unparse(node)


def found() -> Counter[tuple[str, str]]:
    return Counter(
        (file, name)
        for file, tree in of(PACKAGE).items()
        if file.partition("/")[0] in APPS
        for name in assigned(tree)
    )


def found_besides() -> set[tuple[str, str]]:
    return {
        (file, name)
        for file, tree in of(PACKAGE).items()
        if file.partition("/")[0] not in APPS
        for name in assigned(tree)
    }


def test_no_object_of_anything_else_gets_an_attribute_from_outside():
    allowed = {(file, name) for file, (_, names) in BESIDES.items() for name in names}
    assert found_besides() ^ allowed == set(), "pass it where it is made, or connect to a Signal"


def test_no_object_of_an_app_gets_an_attribute_from_outside():
    allowed = Counter({key: count for key, (count, _) in ALLOWED.items()})
    assert found() == allowed, "pass it where the object is made, or connect to a Signal"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("engine.changed = self._changed", ["engine.changed"]),
        ("self.a.b, self.c = 1, 2", ["self.a.b"]),
        ("feed.passed: object = wake", ["feed.passed"]),
        ("setattr(member, 'link', client)", ["setattr(member, 'link', client)"]),
        ("self.own = 1", []),
    ],
)
def test_a_late_assignment_is_found(line, named):
    assert list(assigned(ast.parse(line))) == named


# ------------------------------------------------------- where parts are made, and what they get

PUT_TOGETHER = frozenset(("main", "composition", "assembly"))
"""Modules and packages in which a program's parts are made and joined, and nothing else is done."""
MOST_CARRIED = 5
"""Parts and ports that one record may carry; who needs more of them needs them by name."""
MADE_ELSEWHERE = {
    ("requester/requester.py", "Buyer"): "of the wallet that this very purchase opened",
    ("requester/requester.py", "ImageLabels"): "asks by the logins and rules of this requester",
    ("requester/requester.py", "Selling"): "of the wallet that this very verb opened",
    ("requester/requester.py", "SpendingWallet"): "of the wallet that this very verb opened",
    ("worker/tee/computing.py", "ServiceRelay"): "of the container that is about to run",
    ("scheduler/app_memory.py", "JournaledMap"): "its own memory, over a journal that it is given",
    ("scheduler/app_memory.py", "Reputations"): "its own memory, over a journal that it is given",
    ("scheduler/assessor.py", "AppMemory"): "makes the one memory of three over one journal",
    ("scheduler/assessor.py", "Reputations"): "makes the one memory of three over one journal",
    ("scheduler/database.py", "FollowedTasks"): "what stands by is there before the pool's parts",
    ("scheduler/database.py", "Standby"): "what stands by is there before the pool's parts are",
    ("scheduler/draining.py", "JournaledMap"): "its own memory, over a journal that it is given",
    ("scheduler/earning_log.py", "JournaledMap"): "its own memory, over a journal that it is given",
    ("scheduler/exclusions.py", "JournaledMap"): "its own memory, over a journal that it is given",
    ("scheduler/owner_sessions.py", "OneTimeChallenges"): "a secret of its own, gone with it",
    ("scheduler/reader_sessions.py", "OneTimeChallenges"): "a secret of its own, gone with it",
    ("scheduler/reputations.py", "JournaledMap"): "its own memory, over a journal that it is given",
    ("scheduler/worker_tallies.py", "JournaledMap"): "its own memory, over a journal it is given",
}
"""Parts that are made outside of those modules all the same, and why."""

Tree = Mapping[str, ast.Module]


@cache
def of(package: Path) -> Tree:
    """Return the modules of a package by their path."""
    return dict(trees(package))


def classes(tree: Tree) -> Iterator[tuple[str, ast.ClassDef]]:
    for file, module in tree.items():
        for node in module.body:
            if isinstance(node, ast.ClassDef):
                yield file, node


def puts_together(file: str) -> bool:
    return not PUT_TOGETHER.isdisjoint(Path(file).with_suffix("").parts)


def is_record(made: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(each) for each in made.decorator_list)


def is_group(file: str, made: ast.ClassDef) -> bool:
    """Whether a record carries parts from one step of the putting together to the next."""
    return "composition" in Path(file).with_suffix("").parts and is_record(made)


def named(annotations: Iterable[ast.expr | None]) -> set[str]:
    """Return the names that annotations hold, in quotes or not."""
    nodes = [node for each in annotations if each is not None for node in ast.walk(each)]
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def arguments(made: ast.ClassDef) -> list[ast.expr | None] | None:
    """Return what a constructor of its own takes; None where a class has none."""
    for node in made.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return [each.annotation for each in (*node.args.args, *node.args.kwonlyargs)]
    return None


def ports(tree: Tree) -> set[str]:
    """Return the names of all protocols."""
    return {made.name for _, made in classes(tree) if "Protocol" in named(made.bases)}


def parts(tree: Tree) -> dict[str, str]:
    """Return where each part is: a class of a program whose constructor takes parts or ports."""
    own = {
        made.name: (file, arguments(made))
        for file, made in classes(tree)
        if file.partition("/")[0] in APPS and not is_record(made)
    }
    takes = {name: (file, named(args)) for name, (file, args) in own.items() if args is not None}
    joined = ports(tree) | set(takes)
    return {name: file for name, (file, args) in takes.items() if args & joined}


def made_elsewhere(tree: Tree) -> set[tuple[str, str]]:
    """Return which modules make parts that are not theirs, though they do not put together."""
    known = parts(tree)
    return {
        (file, node.func.id)
        for file, module in tree.items()
        if file.partition("/")[0] in APPS and not puts_together(file)
        for node in nodes(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if known.get(node.func.id, file) != file
    }


def carriers(tree: Tree) -> dict[str, int]:
    """Return records of programs that carry too many parts and ports."""
    joined = ports(tree) | set(parts(tree))
    counts = {
        made.name: sum(
            isinstance(each, ast.AnnAssign) and bool(named([each.annotation]) & joined)
            for each in made.body
        )
        for file, made in classes(tree)
        if file.partition("/")[0] in APPS and is_record(made)
    }
    return {name: count for name, count in counts.items() if count > MOST_CARRIED}


def handed_whole(tree: Tree) -> set[tuple[str, str]]:
    """Return which modules are handed what has been put together, other than to start it."""
    whole = {
        made.name
        for file, made in classes(tree)
        if is_group(file, made)
        or (puts_together(file) and named(arguments(made) or ()) & ports(tree))
    }
    functions = [
        (file, node)
        for file, module in tree.items()
        if file.partition("/")[0] in APPS and not puts_together(file)
        for node in nodes(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {
        (file, name)
        for file, node in functions
        for name in named(each.annotation for each in (*node.args.args, *node.args.kwonlyargs))
        if name in whole
    }


def test_parts_are_made_where_a_program_is_put_together():
    assert made_elsewhere(of(PACKAGE)) == set(MADE_ELSEWHERE)


def test_no_record_carries_everything_to_everyone():
    assert not carriers(of(PACKAGE)), "hand each part the few things that it uses"


def test_nobody_is_handed_a_whole_program():
    assert not handed_whole(of(PACKAGE)), "hand each part the few things that it uses"


PART = "class Part:\n    def __init__(self, hub: Hub): ...\n"
SMALL = {
    "ports/chain.py": "class Hub(Protocol): ...\n",
    "worker/part.py": PART,
    "worker/main.py": "made = Part(hub)\n",
}


@pytest.mark.parametrize(
    ("file", "text", "check"),
    [
        ("worker/other.py", "def f(hub):\n    return Part(hub)\n", made_elsewhere),
        (
            "worker/toolbox.py",
            "@dataclass(slots=True)\nclass Box:\n"
            + "".join(f"    p{n}: Part\n" for n in range(MOST_CARRIED + 1)),
            carriers,
        ),
        (
            "worker/composition.py",
            "class Whole:\n    def __init__(self, hub: Hub): ...\n",
            handed_whole,
        ),
        (
            "worker/composition/group.py",
            "@dataclass(slots=True)\nclass Whole:\n    part: Part\n",
            handed_whole,
        ),
    ],
)
def test_what_breaks_these_rules_is_found(file, text, check):
    tree = {name: ast.parse(each) for name, each in SMALL.items()}
    tree["worker/page.py"] = ast.parse("def show(whole: Whole | None): ...\n")
    assert not check(tree)
    assert check({**tree, file: ast.parse(text)})


def bare_routers(package: Path) -> set[str]:
    """The files with a router that FastAPI makes: its endpoints would tell no faults."""
    return {
        file
        for file, tree in trees(package)
        for node in nodes(tree)
        if isinstance(node, ast.Call) and called(node) == "APIRouter"
    }


def test_every_router_tells_its_faults():
    assert bare_routers(PACKAGE) == {"transport/asgi.py"}, "make it by service_router"


def test_a_bare_router_is_found(tmp_path):
    (tmp_path / "a.py").write_text("router = fastapi.APIRouter(prefix='/v1')")
    assert bare_routers(tmp_path) == {"a.py"}
