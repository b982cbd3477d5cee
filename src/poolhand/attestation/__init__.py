"""Evidence of enclaves: quotes verified, collateral kept, quotes given, and a simulated root."""
