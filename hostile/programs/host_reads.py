"""Reads what of the machine it may know the names of, and opens what would change it."""

import glob
import os

from told import tell

secret = os.environ["HOSTILE_SECRET"]
names = [
    secret, f"/proc/1/root{secret}", f"/proc/1/cwd{secret}", "/etc/shadow", "/proc/kcore", "/dev/mem",
    "/dev/kmsg", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
    "/sys/kernel/security", "/proc/timer_list", "/proc/keys", "/proc/sched_debug",
    *glob.glob("/dev/sd*"), *glob.glob("/dev/vd*"), *glob.glob("/dev/loop*"), *glob.glob("/dev/nvme*"),
    "/dev/kvm", "/dev/fuse", "/dev/net/tun",
]  # fmt: skip
read = {}
for name in names:
    try:
        with open(name, "rb") as file:
            if content := file.read(64):
                read[name] = content.decode(errors="replace")
    except OSError:
        pass
changed = []
for name in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"):
    try:
        os.close(os.open(name, os.O_WRONLY))
        changed.append(name)
    except OSError:
        pass
tell(read=read, changed=changed)
