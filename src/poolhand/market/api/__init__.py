"""The HTTP face of the market: one module per kind of thing that is asked for."""
