"""The rules of the market's book of orders: pure, and word for word those that the SDK knows."""
