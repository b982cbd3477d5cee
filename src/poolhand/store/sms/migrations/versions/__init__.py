"""One module per step, each for ever as it was released."""
