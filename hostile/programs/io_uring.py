"""Asks for an io_uring, by which kernels were broken into again and again."""

from told import call, tell

tell(answers=[call("io_uring_setup", 8, 0)])
