"""Keys: wallets that sign typed messages and our own transactions, and their encrypted files."""
