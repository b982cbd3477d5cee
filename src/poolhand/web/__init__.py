"""HTTP beneath the adapters: how every client of ours asks, and whose certificates count."""
