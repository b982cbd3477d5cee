# %% [markdown]
# # A parameter sweep: how high an epidemic rises
#
# Every point of a grid is a simulation of its own. `client.map` sends the function and all points
# to the network and gives back the values, in order.

# %%
import matplotlib.pyplot as plt

from poolhand import Client

GRID = 24  # points along each axis
POINTS_PER_TASK = 48
FUNCTIONS = "devnet/poolhand/functions:1.0"  # on another chain: your image that runs functions

client = Client(budget="40 RLC", functions=FUNCTIONS)

# %% [markdown]
# An epidemic by the SIR model, in steps of a quarter of a day: whoever is ill infects `contagion`
# others in ten days, where nobody is immune yet, and recovers after ten.


# %%
def peak(point: tuple[float, float]) -> float:
    """Return the largest share of all people that is ill at once."""
    contagion, vaccinated = point
    susceptible, ill, highest = 1 - vaccinated - 1e-4, 1e-4, 0.0
    for _ in range(4 * 1000):
        caught = contagion * susceptible * ill / 40
        susceptible, ill = susceptible - caught, ill + caught - ill / 40
        highest = max(highest, ill)
    return highest


# %% [markdown]
# All points are bought at once, so many to a task. `peak` itself is still an ordinary function:
# call it here to see what you would send.

# %%
contagions = [1 + 5 * n / (GRID - 1) for n in range(GRID)]
vaccinations = [0.9 * n / (GRID - 1) for n in range(GRID)]
points = [(contagion, vaccinated) for vaccinated in vaccinations for contagion in contagions]

peaks = list(client.map(peak, points, chunk=POINTS_PER_TASK))
print(f"{len(peaks)} simulations cost {client.budget.spent / 1e9:g} RLC")

# %% [markdown]
# Above the dashed line, where the vaccinated are more than 1 - 1/contagion, no epidemic begins.

# %%
figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
rows = [peaks[start : start + GRID] for start in range(0, len(peaks), GRID)]
filled = axes.contourf(contagions, vaccinations, rows, levels=20, cmap="magma")
axes.plot(contagions, [1 - 1 / each for each in contagions], "w--", label="herd immunity")
axes.set(xlabel="people whom one infects", ylabel="vaccinated", ylim=(0, 0.9))
axes.set_title("Ill at the peak of an epidemic")
axes.legend(loc="upper left", labelcolor="white", frameon=False)
figure.colorbar(filled, format=lambda share, _: f"{share:.0%}")
figure.savefig("parameter_sweep.png", dpi=100)
