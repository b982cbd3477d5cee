"""Takes memory until it is ended, and touches every page of it."""

held = []
while True:
    held.append(bytearray(b"x" * 2**20))
