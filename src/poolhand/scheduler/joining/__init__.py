"""How a computer joins the pool: the files that its worker installs, a script, and a page."""
