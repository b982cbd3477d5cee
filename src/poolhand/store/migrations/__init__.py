"""How databases of older versions become this one's; run by ``poolhand.store.migrate``."""
