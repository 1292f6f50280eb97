"""System calls by name: which numbers they have, and which of them honest programs need.

Numbers from the kernel's asm/unistd_64.h (x86-64) and asm-generic/unistd.h (aarch64, Linux 6.1). What is in none of the
sets is refused with EPERM.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _numbers(table: str) -> dict[str, int]:
    return {name: int(number) for name, number in (entry.split("=") for entry in table.split())}


FILES = _names("""
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2 dup3
    pipe pipe2 sendfile copy_file_range open openat creat stat fstat lstat newfstatat statx access faccessat
    faccessat2 readlink readlinkat getdents getdents64 getcwd chdir fchdir statfs fstatfs mkdir mkdirat unlink
    unlinkat rmdir rename renameat renameat2 symlink symlinkat truncate ftruncate fallocate fsync fdatasync umask
    fadvise64
""")
"""On files that Landlock, mount namespace and rlimits leave. No links, devices, locks, attributes, notifications."""
MODES_AND_TIMES = _names("chmod fchmod fchmodat utime utimes utimensat futimesat")
"""What the owner of a file may change, and Landlock lets pass: only where a mount namespace hides all other files."""
MEMORY = _names("mmap munmap mprotect mremap madvise brk msync mincore")
"""The address space is limited by rlimit."""
SIGNALS_AND_TIME = _names("""
    poll ppoll select pselect6 rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
    sigaltstack setitimer getitimer alarm pause restart_syscall clock_gettime clock_getres clock_nanosleep nanosleep
    gettimeofday time times getrusage
""")
PROCESS = _names("""
    getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgid getpgrp getsid
    getpriority exit exit_group wait4 waitid sched_yield sched_getaffinity sched_getparam sched_getscheduler
    sched_get_priority_max sched_get_priority_min set_robust_list get_robust_list set_tid_address rseq futex getcpu
    uname sysinfo getrandom getrlimit setrlimit
""")
"""What a process may know and do about itself."""
EVENT_LOOP = _names("""
    epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2 sendto recvfrom sendmsg
    recvmsg shutdown getsockname getpeername getsockopt
""")
"""For asyncio; the only sockets there are come from `socketpair`. `setsockopt` would attach programs to them."""
FORK = _names("fork vfork")
"""For executions that may have several processes."""
HOSTILE = _names("""
    ptrace process_vm_readv process_vm_writev process_madvise pidfd_open pidfd_getfd pidfd_send_signal keyctl mount
    umount2 pivot_root chroot unshare setns bpf io_uring_setup io_uring_enter io_uring_register userfaultfd
    perf_event_open kcmp open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
""")
"""Nothing honest comes here: the process is killed."""

NUMBERS = {
    "x86_64": _numbers("""
        access=21 alarm=37 bpf=321 brk=12 chdir=80 chmod=90 chroot=161 clock_getres=229 clock_gettime=228
        clock_nanosleep=230 clone=56 clone3=435 close=3 close_range=436 copy_file_range=326 creat=85 dup=32 dup2=33
        dup3=292 epoll_create=213 epoll_create1=291 epoll_ctl=233 epoll_pwait=281 epoll_pwait2=441 epoll_wait=232
        eventfd2=290 exit=60 exit_group=231 faccessat=269 faccessat2=439 fadvise64=221 fallocate=285 fchdir=81 fchmod=91
        fchmodat=268 fcntl=72 fdatasync=75 fork=57 fsconfig=431 fsmount=432 fsopen=430 fspick=433 fstat=5 fstatfs=138
        fsync=74 ftruncate=77 futex=202 futimesat=261 get_robust_list=274 getcpu=309 getcwd=79 getdents=78
        getdents64=217 getegid=108 geteuid=107 getgid=104 getgroups=115 getitimer=36 getpeername=52 getpgid=121
        getpgrp=111 getpid=39 getppid=110 getpriority=140 getrandom=318 getresgid=120 getresuid=118 getrlimit=97
        getrusage=98 getsid=124 getsockname=51 getsockopt=55 gettid=186 gettimeofday=96 getuid=102 io_uring_enter=426
        io_uring_register=427 io_uring_setup=425 ioctl=16 kcmp=312 keyctl=250 kill=62 lseek=8 lstat=6 madvise=28
        mincore=27 mkdir=83 mkdirat=258 mmap=9 mount=165 mount_setattr=442 move_mount=429 mprotect=10 mremap=25 msync=26
        munmap=11 nanosleep=35 newfstatat=262 open=2 open_tree=428 openat=257 openat2=437 pause=34 perf_event_open=298
        pidfd_getfd=438 pidfd_open=434 pidfd_send_signal=424 pipe=22 pipe2=293 pivot_root=155 poll=7 ppoll=271 prctl=157
        pread64=17 preadv=295 preadv2=327 prlimit64=302 process_madvise=440 process_vm_readv=310 process_vm_writev=311
        pselect6=270 ptrace=101 pwrite64=18 pwritev=296 pwritev2=328 read=0 readlink=89 readlinkat=267 readv=19
        recvfrom=45 recvmsg=47 rename=82 renameat=264 renameat2=316 restart_syscall=219 rmdir=84 rseq=334
        rt_sigaction=13 rt_sigpending=127 rt_sigprocmask=14 rt_sigreturn=15 rt_sigsuspend=130 rt_sigtimedwait=128
        sched_get_priority_max=146 sched_get_priority_min=147 sched_getaffinity=204 sched_getparam=143
        sched_getscheduler=145 sched_yield=24 seccomp=317 select=23 sendfile=40 sendmsg=46 sendto=44 set_robust_list=273
        set_tid_address=218 setitimer=38 setns=308 setrlimit=160 setsockopt=54 shutdown=48 sigaltstack=131 socketpair=53
        stat=4 statfs=137 statx=332 symlink=88 symlinkat=266 sysinfo=99 tgkill=234 time=201 times=100 truncate=76
        umask=95 umount2=166 uname=63 unlink=87 unlinkat=263 unshare=272 userfaultfd=323 utime=132 utimensat=280
        utimes=235 vfork=58 wait4=61 waitid=247 write=1 writev=20
    """),
    "aarch64": _numbers("""
        bpf=280 brk=214 chdir=49 chroot=51 clock_getres=114 clock_gettime=113 clock_nanosleep=115 clone=220 clone3=435
        close=57 close_range=436 copy_file_range=285 dup=23 dup3=24 epoll_create1=20 epoll_ctl=21 epoll_pwait=22
        epoll_pwait2=441 eventfd2=19 exit=93 exit_group=94 faccessat=48 faccessat2=439 fadvise64=223 fallocate=47
        fchdir=50 fchmod=52 fchmodat=53 fcntl=25 fdatasync=83 fsconfig=431 fsmount=432 fsopen=430 fspick=433 fstat=80
        fstatfs=44 fsync=82 ftruncate=46 futex=98 get_robust_list=100 getcpu=168 getcwd=17 getdents64=61 getegid=177
        geteuid=175 getgid=176 getgroups=158 getitimer=102 getpeername=205 getpgid=155 getpid=172 getppid=173
        getpriority=141 getrandom=278 getresgid=150 getresuid=148 getrlimit=163 getrusage=165 getsid=156 getsockname=204
        getsockopt=209 gettid=178 gettimeofday=169 getuid=174 io_uring_enter=426 io_uring_register=427
        io_uring_setup=425 ioctl=29 kcmp=272 keyctl=219 kill=129 lseek=62 madvise=233 mincore=232 mkdirat=34 mmap=222
        mount=40 mount_setattr=442 move_mount=429 mprotect=226 mremap=216 msync=227 munmap=215 nanosleep=101
        newfstatat=79 open_tree=428 openat=56 openat2=437 perf_event_open=241 pidfd_getfd=438 pidfd_open=434
        pidfd_send_signal=424 pipe2=59 pivot_root=41 ppoll=73 prctl=167 pread64=67 preadv=69 preadv2=286 prlimit64=261
        process_madvise=440 process_vm_readv=270 process_vm_writev=271 pselect6=72 ptrace=117 pwrite64=68 pwritev=70
        pwritev2=287 read=63 readlinkat=78 readv=65 recvfrom=207 recvmsg=212 renameat=38 renameat2=276
        restart_syscall=128 rseq=293 rt_sigaction=134 rt_sigpending=136 rt_sigprocmask=135 rt_sigreturn=139
        rt_sigsuspend=133 rt_sigtimedwait=137 sched_get_priority_max=125 sched_get_priority_min=126
        sched_getaffinity=123 sched_getparam=121 sched_getscheduler=120 sched_yield=124 seccomp=277 sendfile=71
        sendmsg=211 sendto=206 set_robust_list=99 set_tid_address=96 setitimer=103 setns=268 setrlimit=164
        setsockopt=208 shutdown=210 sigaltstack=132 socketpair=199 statfs=43 statx=291 symlinkat=36 sysinfo=179
        tgkill=131 times=153 truncate=45 umask=166 umount2=39 uname=160 unlinkat=35 unshare=97 userfaultfd=282
        utimensat=88 wait4=260 waitid=95 write=64 writev=66
    """),
}
