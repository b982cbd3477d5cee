"""A whole network on one machine: Anvil, the real contracts, registry, pool, results, workers."""
