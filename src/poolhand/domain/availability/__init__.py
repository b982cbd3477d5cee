"""When a worker may take tasks: what its operator said, and what follows from it at a moment."""
