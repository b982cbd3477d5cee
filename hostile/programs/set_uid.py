"""Starts a program that is root's and has the setuid bit; what does it become, and may it mount?"""

import subprocess

from told import tell

CODE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
mounted = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
caps = [l.split()[1] for l in open("/proc/self/status") if l.startswith("CapEff")][0]
print(os.geteuid(), caps, int(mounted))
"""
done = subprocess.run(["/usr/bin/rooted", "-c", CODE], capture_output=True, text=True, check=False)
words = done.stdout.split()
tell(
    euid=int(words[0]), capabilities=int(words[1], 16), mounted=bool(int(words[2]))
) if words else tell(euid=None, capabilities=0, mounted=False, why=done.stderr[-200:])
