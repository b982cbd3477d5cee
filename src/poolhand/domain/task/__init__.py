"""A task as the scheduler sees it: what is wanted, what the chain and the workers say."""
