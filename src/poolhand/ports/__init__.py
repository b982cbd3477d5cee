"""What Poolhand needs from the world: one small Protocol per peer, in domain types only."""
