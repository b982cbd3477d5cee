# %% [markdown]
# # Text mining over a dataset, on which four workers agree
#
# The text is a dataset: registered on chain with its digest, downloaded by workers themselves. With
# trust 10 so many independent workers have to find the same, byte for byte, that the chance of a
# wrong result is below one in ten; who finds something else loses its stake.

# %%
import json
import shutil
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt

from poolhand import Client

TEXT = "../apps/word-statistics/data/lincoln.txt"
URL = ""  # where workers download the text; empty: put it where those of the devnet do
APP = "devnet/poolhand/word-statistics:1.0"  # on another chain: your image of apps/word-statistics
TOP = 20  # frequent words to look at

client = Client(budget="100 RLC")

# %% [markdown]
# A dataset may lie on any web server, in a bucket, or in IPFS. A devnet serves a folder of its own.


# %%
def served_by_devnet(file: str) -> str:
    """Put a file where the devnet serves it; return its URL."""
    told = subprocess.run(["poolhand", "devnet", "info", "--json"], check=True, capture_output=True)
    devnet = json.loads(told.stdout)
    shutil.copy(file, devnet["files"])
    return f"{devnet['files_url']}/{Path(file).name}"


dataset = client.deploy_dataset(URL or served_by_devnet(TEXT), file=TEXT)
print(f"the dataset is {dataset.address}")

# %%
deal = client.run(APP, ["--top", str(TOP)], dataset=dataset.address, trust=10)
result = deal.result()
found = json.loads(result.output)
(proof,) = deal.proof()
print(f"{len(proof.workers)} workers agreed on 0x{proof.digest.hex()}")
print(f"{found['words']} words, {found['distinct_words']} different ones; it cost {deal.cost()}")

# %% [markdown]
# Zipf's law has it that the second word comes half as often as the first, the third a third as
# often.

# %%
words = [each["word"] for each in found["top_words"]]
counts = [each["count"] for each in found["top_words"]]
figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
axes.barh(words, counts, color="tab:blue", label="counted")
axes.plot(
    [counts[0] / rank for rank in range(1, len(words) + 1)], words, "k.--", label="Zipf's law"
)
axes.invert_yaxis()
axes.set(
    xlabel="times", title=f"Frequent words of {Path(TEXT).stem}: {len(proof.workers)} workers agree"
)
axes.legend(loc="lower right")
figure.savefig("text_mining.png", dpi=100)
