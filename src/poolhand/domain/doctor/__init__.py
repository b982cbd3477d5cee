"""What a worker needs, and whether it is there: judgements over facts, one per check. Pure."""
