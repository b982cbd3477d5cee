"""``poolhand worker top``: a running worker in the terminal, live."""
