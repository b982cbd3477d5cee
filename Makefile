# The menu of commands: `make` lists it. Logic lives in scripts/; a recipe is one line.
PYTHON ?= python3
export PYTHON
with_engine = scripts/with-engine

.NOTPARALLEL:
.PHONY: help setup demo test check e2e bench chaos hostile gpu-check slurm nightly images vm vm-journey docs site lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing; leaves the command at .venv/bin/poolhand
	@scripts/setup

demo: setup ## watch a computation travel the whole network, on real contracts and containers
	@$(with_engine) .venv/bin/poolhand demo

test: setup ## every test: domain, chain, containers, the whole network
	@$(with_engine) .venv/bin/pytest --numprocesses auto

check: setup ## format, lint, types, layers and domain tests, in under 30 s
	@scripts/check

e2e: setup ## only the tests of the whole network
	@$(with_engine) .venv/bin/pytest --numprocesses auto -m e2e

bench: setup ## every figure; writes bench/latest.json (about 90 min; ONLY=placement,idle; SIZE=0.1 a tenth, not kept)
	@.venv/bin/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(SIZE),--size $(SIZE))

chaos: setup ## faults at every status boundary (about 70 min; SEED=1 repeats, MINUTES=10 a sample, ONLY=worker,kill)
	@$(with_engine) .venv/bin/python -m chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY))

slurm: setup ## 100 tasks on a private Slurm cluster of four nodes, one of them killed in the middle (root; 5 min)
	@$(with_engine) .venv/bin/python scripts/slurm_bag.py

nightly: setup ## every test, many more examples and lives, planted faults, chaos and bench, on one page (a night; ONLY=lives,bench SEED=1)
	@.venv/bin/python scripts/nightly.py $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED))

hostile: setup ## hostile images at every level of the sandbox, and what a level costs (about 10 min; ONLY=fork_bomb,vsock, LEVELS=gvisor,vm)
	@$(if $(findstring vm,$(LEVELS)),kernel=$$(.venv/bin/python scripts/guest_kernel.py) && POOLHAND_VM_KERNEL=$$kernel) $(with_engine) --gvisor .venv/bin/python -m hostile $(if $(KEEP),--keep) $(if $(ONLY),--only $(ONLY)) $(if $(LEVELS),--levels $(LEVELS))

gpu-check: setup ## a container computes on each GPU of this computer, one that is given none sees none (exit 3: no GPU or engine here)
	@.venv/bin/python scripts/gpu_check.py

images: setup ## build and try the images of worker, signer, pool, market and results (PLATFORM=linux/arm64 for another processor, emulated)
	@$(with_engine) .venv/bin/python scripts/emulator.py $(or $(PLATFORM),own) \
	    sh -c '.venv/bin/python scripts/images.py && .venv/bin/pytest -q tests/images'

vm: setup ## a worker's virtual machine, with and without a desktop, in dist/vm (root; POOL_URL=https://... for one pool)
	@scripts/vm/build

vm-journey: setup ## boot what make vm has made in QEMU, on a devnet: join, compute, lose power, go on (root; 10 min and more)
	@.venv/bin/python scripts/vm/journey.py

docs: setup ## write the generated pages of docs/ anew
	@.venv/bin/python scripts/docs.py

site: setup ## build the documentation site into dist/site; `poolhand devnet up` serves it from then on
	@.venv/bin/python scripts/docsite.py

lock: setup ## write requirements.lock anew from pyproject.toml
	@scripts/lock

clean: ## remove what the commands above have made, .venv and .poolhand too
	@scripts/clean
