"""Who gets which task: the owner's rules, reliance on workers, and a planner of what changed."""
