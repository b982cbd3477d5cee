"""The market's database: the book of orders, deals, categories, and how far the chain was read."""
