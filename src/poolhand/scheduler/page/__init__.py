"""The page at ``/owner``: what the pool's owner watches in a browser, and decides there."""
