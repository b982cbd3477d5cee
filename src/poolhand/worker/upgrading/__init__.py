"""A newer version of the program: told of, installed beside this one, and tried before it works."""
