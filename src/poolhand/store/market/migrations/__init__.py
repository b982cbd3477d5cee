"""Steps from one version of the market's tables to the next."""
