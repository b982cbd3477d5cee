# %% [markdown]
# # Cross-validation with scikit-learn, by joblib
#
# What scikit-learn does side by side it does by joblib, and joblib has a backend that buys from the
# network: two lines, and nothing else of a program changes.

# %%
import matplotlib.pyplot as plt
import numpy as np
import sklearn
from joblib import parallel_config
from sklearn.datasets import load_iris
from sklearn.model_selection import validation_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from poolhand import Client, Image, register_joblib

WIDTHS = 8  # of the kernel, that are tried
FOLDS = 4  # each width is tried on so many parts of the data
CATEGORY = 0  # of computing time: its workers have to import scikit-learn as well
REGISTRY = "devnet/examples"  # on another chain: where you may push, such as docker.io/you

client = Client(budget="100 RLC")

# %% [markdown]
# Workers need scikit-learn as it is here. An image that has it and runs functions is made of
# wheels, without a Dockerfile or an engine; the first time takes a minute or two.

# %%
image = Image.python().pip(f"scikit-learn=={sklearn.__version__}").functions()
pushed = image.push(client, f"{REGISTRY}/scikit-learn")
print(f"made {pushed.reference}")

# %% [markdown]
# How wide shall the kernel of a support vector machine be? Every width is fitted to three quarters
# of the flowers and tried on the last, in all four ways: each fit is a call on the network.

# %%
flowers = load_iris(return_X_y=True)
model = make_pipeline(StandardScaler(), SVC())
widths = np.logspace(-4, 3, WIDTHS)

register_joblib(client, image=pushed.reference, category=CATEGORY)
with parallel_config(backend="poolhand", n_jobs=16):
    learnt, right = validation_curve(
        model, *flowers, param_name="svc__gamma", param_range=widths, cv=FOLDS
    )
print(f"{right.size} fits cost {client.budget.spent / 1e9:g} RLC")

# %% [markdown]
# Too narrow, and it knows by heart what it has seen; too wide, and it learns nothing.

# %%
best = widths[right.mean(axis=1).argmax()]
figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
for scores, name in ((learnt, "flowers that it has seen"), (right, "flowers that are new")):
    middle, spread = scores.mean(axis=1), scores.std(axis=1)
    axes.semilogx(widths, middle, "o-", label=name)
    axes.fill_between(widths, middle - spread, middle + spread, alpha=0.2)
axes.axvline(best, color="black", linestyle="--", linewidth=1, label=f"best: {best:.2g}")
axes.set(xlabel="gamma: how narrow the kernel is", ylabel="share that is right")
axes.set_title(f"{right.mean(axis=1).max():.0%} of new flowers are told apart")
axes.legend(loc="lower center")
figure.savefig("cross_validation.png", dpi=100)
