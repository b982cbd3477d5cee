"""Kills every process that it may."""

import os
import signal

from told import kept

kept(1)
os.kill(-1, signal.SIGKILL)
