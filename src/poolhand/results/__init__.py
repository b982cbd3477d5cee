"""The results service: takes archives from authorized workers, checks and serves them."""
