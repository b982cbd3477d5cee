"""Steps from one version of the secrets' tables to the next."""
