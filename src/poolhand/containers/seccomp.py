"""The system calls that an app may make: every other one is refused.

An app computes; it needs files, memory, threads, processes of its own and sockets. It gets no call
that only an administrator may use anyway (mounts, modules, clocks), and none of those through which
kernels have been broken into again and again: io_uring, userfaultfd, bpf, perf events, kernel
keyrings, namespaces, other processes' memory, and every socket family but four.

Only the machine's own ABI is allowed: through the 32-bit one (``int 0x80``) ``socketcall`` would
hand over a family that no filter sees. Engines leave out names that their kernel does not know.

Source: seccomp(2), clone(2), socket(2); libseccomp (arguments are compared with 64 bits, of which
the kernel itself reads 32: hence families are allowed by name, and none is excluded by name).
"""

from __future__ import annotations

import errno
import json
from typing import Any, Final

FAMILIES: Final = {
    "files": (
        "access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat "
        "faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl "
        "fdatasync flock fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 ioctl "
        "lchown link linkat lseek lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 "
        "pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink "
        "readlinkat readv rename renameat renameat2 rmdir sendfile splice stat statfs statx "
        "symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime "
        "utimensat utimes vmsplice write writev"
    ),
    "attributes": (
        "fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr "
        "lremovexattr lsetxattr removexattr setxattr"
    ),
    "waiting": (
        "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 "
        "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch pause poll ppoll pselect6 "
        "select signalfd signalfd4"
    ),
    "older asynchronous files": (
        "io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit"
    ),
    "memory": (
        "brk madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap "
        "mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
        "remap_file_pages"
    ),
    "processes and threads": (
        "execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv "
        "futex_wake get_robust_list getcpu getpgid getpgrp getpid getppid getpriority getrlimit "
        "getrusage getsid gettid ioprio_get ioprio_set kill pidfd_open pidfd_send_signal prctl "
        "prlimit64 process_mrelease restart_syscall rseq sched_get_priority_max "
        "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
        "sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler "
        "sched_yield seccomp set_robust_list set_tid_address setpgid setpriority setrlimit setsid "
        "tgkill tkill uname vfork wait4 waitid"
    ),
    "signals": (
        "alarm getitimer rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
        "rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo setitimer sigaltstack"
    ),
    "users": (
        "capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid "
        "setfsuid setgid setgroups setregid setresgid setresuid setreuid setuid"
    ),
    "time": (
        "clock_getres clock_gettime clock_nanosleep gettimeofday nanosleep sysinfo time "
        "timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create "
        "timerfd_gettime timerfd_settime times"
    ),
    "sockets": (
        "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg "
        "recvmsg sendmmsg sendmsg sendto setsockopt shutdown"
    ),
    "between processes": (
        "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget "
        "msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget"
    ),
    "a process restricting itself": (
        "landlock_add_rule landlock_create_ruleset landlock_restrict_self"
    ),
    "randomness": "getrandom",
    "one processor's own": "arch_prctl riscv_flush_icache riscv_hwprobe",
}
"""Calls that are allowed whatever their arguments, by what they are for."""

REFUSED_CALLS: Final = (
    "acct add_key bpf chroot clock_adjtime clock_settime delete_module fanotify_init finit_module "
    "fsconfig fsmount fsopen fspick init_module io_uring_enter io_uring_register io_uring_setup "
    "ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind modify_ldt mount "
    "mount_setattr move_mount move_pages name_to_handle_at open_by_handle_at open_tree "
    "perf_event_open pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev "
    "ptrace quotactl reboot request_key setdomainname sethostname setns settimeofday socketcall "
    "swapoff swapon syslog umount2 unshare userfaultfd vhangup"
)
"""Calls that exist and are not for apps: no permission. Any other one does not exist for an app."""

SOCKETS: Final = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
"""Families of sockets; netlink tells a program its network interfaces (``getifaddrs``)."""
NAMESPACES: Final = 0x7E02_0000
"""Flags of clone(2) that make new namespaces: NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET."""
PERSONALITIES: Final = (0x0, 0x8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF)
"""Linux, with a 32-bit name or release if wanted, and the question which it is."""
_ALLOW: Final = "SCMP_ACT_ALLOW"
_REFUSE: Final = "SCMP_ACT_ERRNO"


def profile() -> dict[str, Any]:
    """Return the profile as the engine wants it in ``seccomp=``."""
    names = sorted({name for family in FAMILIES.values() for name in family.split()})
    return {
        "defaultAction": _REFUSE,
        "defaultErrnoRet": errno.ENOSYS,
        "syscalls": [
            {"names": REFUSED_CALLS.split(), "action": _REFUSE, "errnoRet": errno.EPERM},
            {"names": names, "action": _ALLOW},
            *(_when(["socket", "socketpair"], "SCMP_CMP_EQ", each) for each in SOCKETS.values()),
            _when(["clone"], "SCMP_CMP_MASKED_EQ", NAMESPACES),
            *(_when(["personality"], "SCMP_CMP_EQ", each) for each in PERSONALITIES),
            # Its flags lie in memory, where no filter sees them; C libraries fall back to clone.
            {"names": ["clone3"], "action": _REFUSE, "errnoRet": errno.ENOSYS},
        ],
    }


def _when(names: list[str], comparison: str, value: int) -> dict[str, Any]:
    """Allow calls when their first argument is ``value``, or has no bit of it."""
    argument = {"index": 0, "value": value, "op": comparison}
    return {"names": names, "action": _ALLOW, "args": [argument]}


PROFILE: Final = json.dumps(profile(), separators=(",", ":"))
"""The profile of every container."""
