# %% [markdown]
# # A Monte-Carlo estimate whose error shrinks as results come in
#
# How many neutrons get through a wall? Each is followed on its own: it flies a random distance,
# then is absorbed or goes on in a random direction. Tasks follow some thousands each; the estimate
# is made anew, and the picture drawn, with every result that arrives, in whichever order.

# %%
import math
import random
from concurrent.futures import as_completed

import matplotlib.pyplot as plt

from poolhand import Client

WALL = 4.0  # thickness, in mean free paths
ABSORBED = 0.2  # chance that a neutron is absorbed when it hits a nucleus
NEUTRONS_PER_TASK = 20_000
TASKS = 24
FUNCTIONS = "devnet/poolhand/functions:1.0"  # on another chain: your image that runs functions

client = Client(budget="100 RLC", functions=FUNCTIONS)

# %% [markdown]
# The seed is an argument: the same call gives the same number wherever it is computed. What the
# function uses of this program, such as `WALL`, travels with it.


# %%
@client.function(category=0)
def got_through(seed: int) -> int:
    """Return how many of a task's neutrons get through the wall."""
    dice, through = random.Random(seed), 0
    for _ in range(NEUTRONS_PER_TASK):
        depth, direction = 0.0, 1.0
        while True:
            depth += direction * dice.expovariate(1)
            if depth < 0 or depth > WALL or dice.random() < ABSORBED:
                break
            direction = dice.uniform(-1, 1)
        through += depth > WALL
    return through


# %% [markdown]
# `spawn` returns a future of `concurrent.futures`; calls that begin together are one deal.


# %%
def draw(told: list[tuple[int, float, float]]) -> None:
    """Draw every estimate so far with its standard error, and the last one as a line."""
    plt.close("all")
    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    neutrons, estimates, errors = zip(*told, strict=True)
    axes.axhspan(
        estimates[-1] - errors[-1], estimates[-1] + errors[-1], color="tab:blue", alpha=0.2
    )
    axes.errorbar(neutrons, estimates, yerr=errors, fmt="o", markersize=4, capsize=3)
    axes.set(xlabel="neutrons followed", ylabel="share that gets through")
    axes.set_title(f"{estimates[-1]:.4f} ± {errors[-1]:.4f} through {WALL:g} mean free paths")
    figure.savefig("monte_carlo.png", dpi=100)


# %%
futures = [got_through.spawn(seed) for seed in range(TASKS)]
estimates = []
neutrons = through = 0
for future in as_completed(futures):
    neutrons += NEUTRONS_PER_TASK
    through += future.result()
    share = through / neutrons
    estimates.append((neutrons, share, math.sqrt(share * (1 - share) / neutrons)))
    print(f"{neutrons:>9,} neutrons: {share:.4f} ± {estimates[-1][2]:.4f}")
    draw(estimates)
print(f"it cost {client.budget.spent / 1e9:g} RLC")
