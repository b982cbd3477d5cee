"""Pages for people, written from the market's own API, and live while they are open."""
