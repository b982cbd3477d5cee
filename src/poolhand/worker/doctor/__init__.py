"""The doctor: looks at all that a worker needs, sends nothing and changes nothing."""
