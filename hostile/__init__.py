"""Images that mean harm, run for real at every level of the sandbox; see ``attacks``."""
