"""Container engines behind ``ports.runtime``: Docker (``docker``), and a simulated one (``noop``).

The only importer of aiodocker. Import the modules by name: this package loads nothing itself.
"""
