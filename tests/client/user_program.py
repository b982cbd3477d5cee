"""A program as its author's type checker sees it, in strict mode; it is not run."""

from collections.abc import Iterator
from concurrent.futures import as_completed

from poolhand import AsyncClient, Client, FailedTask, Image, PoolhandError, register_joblib


def half(number: int) -> float:
    return number / 2


def sync(client: Client) -> list[float]:
    @client.function(trust=10, budget="2 RLC")
    def third(number: int, *, digits: int = 3) -> float:
        return round(number / 3, digits)

    values: list[float] = list(client.map(half, range(3)))
    values.append(third.remote(3, digits=1))
    values += third.map([1, 2], chunk=2)
    future = third.spawn(9)
    more: Iterator[float] = (float(each.result()) for each in as_completed([future]))
    values += more
    with client.executor() as executor:
        values.append(executor.submit(half, 4).result())
    return values


def bought(client: Client) -> str:
    image = Image.python("3.12").pip("numpy>=2").functions()
    app = image.deploy(client, "devnet/you/app").app.address
    data = client.deploy_dataset("https://data.example/x.txt", file="x.txt").address
    deal = client.run(app, ["--top", "3"], dataset=data, tasks=2, budget="1 RLC")
    for change in deal.events():
        print(change)
    try:
        for result in deal.results():
            print(result.index, result.read("a").decode(), result.output[:3])
    except FailedTask as fault:
        print(fault)
    except PoolhandError as fault:
        print(fault.exit_code)
    register_joblib(client, image=image.push(client, "devnet/you/app").reference)
    cost: int = deal.cost().total
    _ = deal.cost().sum  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] # there is none
    return f"{deal.deal_id} {cost}"


async def later(client: AsyncClient) -> float:
    deal = await client.run("devnet/poolhand/fractal:1.0")
    result = await deal.result(timeout=3)
    print(result.text("stdout.txt"))
    value: float = await client.submit(half, 3)
    async for each in client.map(half, [1]):
        value += each
    return value
