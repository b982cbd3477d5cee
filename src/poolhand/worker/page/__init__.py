"""The page at the worker's address: what its operator watches in a browser."""
