"""The commands of the iExec SDK: what each does here, and the test that shows it."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from marked import StrayClaim, marked
from reached import link

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ROOT / "tests" / "e2e"
TABLE: Final = ROOT / "docs" / "iexec-sdk.toml"
PAGE: Final = ROOT / "docs" / "iexec-sdk.md"
PACKAGE_TABLE: Final = ROOT / "docs" / "iexec-sdk-packages.toml"
MARK: Final = "iexec"
HEAD: Final = """# The iExec SDK on Poolhand

<!-- Made by `make docs` from iexec-sdk.toml and the tests' source; do not edit. -->

The tests install iExec's own SDK from npm, unmodified, 8.24.0 and 9.0.0, and type its commands
against a devnet: the hub's contracts, `poolhand market`, a pool, workers and results. How to
begin: [buy with the iExec SDK](how-to/buy-with-the-iexec-sdk.md). A command that cannot work here
is tried, too, and says so in the SDK's words. 9.0.1, which signs orders for TDX enclaves alone,
sells and buys [confidential tasks](how-to/buy-with-the-iexec-sdk.md#confidential-tasks) in
[a test of its own](../tests/e2e/test_sdk_confidential.py), in *simulated* enclaves.

The JavaScript library of both is told [one long story](../tests/e2e/sdk/scenario.mjs), which
[a test](../tests/e2e/test_sdk_buying.py) runs: it deploys and sells an app, reads orderbooks,
publishes a request and takes it back, buys two tasks, watches the deal, asks the pool for
replicates and logs, downloads, lists deals by requester, request and app, and cancels.
"""
FAULTS: Final = """
## Faults of the SDK itself

- **Neither can show a task of two or more contributors**, whoever computed it: `task show`,
  `deal show --watch` and `app run --watch` end with `value at index 0 unnamed`. Their
  `formatEthersResult` (`dist/esm/common/utils/utils.js`) calls ethers' `Result.toObject()` on the
  list of contributors, whose members have no names; with one member the list comes out as `{_: …}`
  and is told apart, with more it throws. It is seen in
  [the tests](../tests/e2e/test_sdk_buying.py), which follow a task of trust 10 with ours.
  Watch such a task with `poolhand task watch`, fetch its result with `poolhand task download`, or
  buy with trust 1.
- **A match may run out of gas on a busy chain**, in both: they send it with exactly the gas that it
  takes at that moment. It takes 17,100 more where the requester's or the pool owner's last locked
  stake is unlocked in the same block, and ends with `transaction execution reverted` and no
  reason. Nothing is lost; match again. What Poolhand sends has gas to spare.
- **A command that sends several transactions may end with `nonce too low`**, in both, as
  `order cancel --app --workerpool` and `wallet sweep` do: their ethers (6.17) remembers for 250 ms
  how many transactions a wallet has sent, and where the first is mined within that time the second
  gets the same number. The second was not sent: type the command again, for what is left of it.
- **A failed command may exit with 0**, in both: `order sign|publish|show|unpublish|cancel` with
  several orders, and `app run --watch` of a task that failed. Read `ok` of `--raw`.
- **9.0.1 signs orders for TDX enclaves alone**: use 9.0.0, or 8.24.0, for standard tasks.
  Without `--tag tee,tdx` its `app run` looks for orders without that tag, and finds none that it
  has signed.
"""
PACKAGES: Final = """
## Packages that use the SDK

npm's `@iexec/dataprotector` (2.0.0-beta.27, over SDK 9.0.1) and `@iexec/web3mail` (1.9.0, over SDK
8.24.0), unmodified, on a devnet with *simulated* enclaves, `devnet up --tee simulated --like
arbitrum-sepolia`: they go by the ids of public chains. A devnet has no subgraph and not
DataProtector's own contract, and iExec's web3mail app is not in its registry: another app stands
for it. [A script](../tests/e2e/sdk/dataprotector.mjs) calls each method, and
[a test](../tests/e2e/test_sdk_packages.py) runs it. Both packages are told `ipfsNode` and
`ipfsGateway` (a devnet's file server), the SDK's URLs as `iexecOptions`, and, with each purchase,
`workerpool` and `workerpoolMaxPrice`: by default they buy of iExec's own pools, for nothing.
"""


@dataclass(frozen=True, slots=True)
class SdkCommand:
    """What a command does here; ``sdk`` are the generations that have it."""

    sdk: str
    here: str


def commands() -> Mapping[str, SdkCommand]:
    """Read the table; the order is its own."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: SdkCommand(**row) for name, row in rows.items()}


@cache
def shown_by(folder: Path = TESTS) -> Mapping[str, tuple[str, ...]]:
    """Return the tests that show each command.

    Raises:
        StrayClaim: A mark decorates no test, or names its command by other than a literal.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for call, place in marked(folder, MARK):
        for argument in call.args:
            if not isinstance(argument, ast.Constant):
                raise StrayClaim(f'{place} names a command by what is no "app run"')
            found[str(argument.value)].append(place)
    return {name: tuple(sorted(set(tests))) for name, tests in found.items()}


def page() -> str:
    """Return docs/iexec-sdk.md."""
    return "\n".join((HEAD, *_rows())) + "\n" + PACKAGES + "\n".join(_packages()) + "\n" + FAULTS


def packages() -> Mapping[str, Mapping[str, str]]:
    """Read what the methods of packages that use the SDK do here, by package and method."""
    found: Mapping[str, Mapping[str, str]] = tomllib.loads(
        PACKAGE_TABLE.read_text(encoding="utf-8")
    )
    return found


def _packages() -> Iterator[str]:
    for package, methods in packages().items():
        yield from (f"\n| method of {package} | here |", "| --- | --- |")
        yield from (f"| `{method}` | {here} |" for method, here in methods.items())


def _rows() -> Iterator[str]:
    noun, tests = "", shown_by()
    for name, command in commands().items():
        if (first := name.partition(" ")[0]) != noun and " " in name:
            noun = first
            yield f"\n## iexec {noun}\n"
            yield from ("| command | SDK | here | shown by |", "| --- | --- | --- | --- |")
        elif not noun and name == "init":
            yield from ("| command | SDK | here | shown by |", "| --- | --- | --- | --- |")
        proof = "<br>".join(link(place) for place in tests.get(name, ())) or "**no test**"
        generations = command.sdk.replace(" ", ", ")
        yield f"| `{name}` | {generations} | {command.here} | {proof} |"
