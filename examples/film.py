# %% [markdown]
# # A film: a frame per task, joined at the end
#
# The app that paints a frame is a program of yours, `film_frame.py` beside this one. A deal of as
# many tasks as the film has frames runs it once for each; workers paint them side by side.

# %%
import io

from PIL import Image as Picture

from poolhand import Client, Image

FRAMES = 24
SIZE = "160x120"
REGISTRY = "devnet/examples"  # on another chain: where you may push, such as docker.io/you

client = Client(budget="100 RLC")

# %% [markdown]
# Without a Dockerfile or an engine: our program over the usual image of this Python. What was
# pushed and registered before is not pushed and registered again.

# %%
image = Image.python().copy("film_frame.py")
deployed = image.deploy(client, f"{REGISTRY}/film-frame")
print(f"{deployed.image.reference} is app {deployed.app.address}")

# %% [markdown]
# Every task gets the same arguments and finds its own number in `IEXEC_TASK_INDEX`. In a notebook
# `show` is a table that follows the deal, in a terminal a line for each change.

# %%
deal = client.run(deployed.app.address, [SIZE, str(FRAMES)], tasks=FRAMES)
deal.show()

# %% [markdown]
# A result is checked against the digest on chain before you get it; here it is one picture each.

# %%
painted = {result.index: result.output for result in deal.results()}
frames = [Picture.open(io.BytesIO(painted[index])) for index in range(FRAMES)]
frames[0].save("film.gif", save_all=True, append_images=frames[1:], duration=1000 // 12, loop=0)
print(f"{FRAMES} frames cost {deal.cost()}")

# %% [markdown]
# `film.gif` is the film; this is a strip of it.

# %%
strip = Picture.new("RGB", (4 * frames[0].width, frames[0].height))
for place in range(4):
    strip.paste(frames[place * FRAMES // 4], (place * frames[0].width, 0))
strip
