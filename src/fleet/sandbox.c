/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c: a process gives up what computing does not need. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fleet/selftest.h"

/* A sanitizer's shadow counts as private memory, and its runtime makes a call of its own. */
#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static void limit(int what, rlim_t value)
{
    const struct rlimit l = { value, value };
    setrlimit(what, &l);
}

/* Reading below `dir` alone.  Files that are open already stay so. */
static bool landlock(const char *dir)
{
    const uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;       /* every right of the first version */
    const struct landlock_ruleset_attr rules = { .handled_access_fs = all };
    int set = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    int fd = set >= 0 ? open(dir, O_PATH | O_CLOEXEC) : -1;
    const struct landlock_path_beneath_attr beneath = { .allowed_access =
                                                        LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
                                                        .parent_fd = fd };
    bool ok = fd >= 0 && syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0 &&
              syscall(SYS_landlock_restrict_self, set, 0) == 0;
    if (fd >= 0)
        close(fd);
    if (set >= 0)
        close(set);
    return ok;
}

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef ARCH
/* What is not on the list fails with EPERM: a model that needs more than memory, files and time is none
 * of ours, and its loading fails in words. */
static const int allowed[] = {
    SYS_read, SYS_pread64, SYS_readv, SYS_write, SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_lseek,
        SYS_mmap, SYS_munmap,
    SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex, SYS_clock_gettime, SYS_clock_nanosleep,
        SYS_gettimeofday, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_getrandom, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_rt_sigaction, SYS_rt_sigprocmask,
        SYS_rt_sigreturn,
    SYS_exit, SYS_exit_group, SYS_getrusage, SYS_prlimit64, SYS_faccessat, SYS_readlinkat, SYS_restart_syscall,
        SYS_uname, SYS_getdents64, SYS_getcwd,
#ifdef SYS_faccessat2
    SYS_faccessat2,                   /* how realpath looks at folders */
#endif
#ifdef __SANITIZE_ADDRESS__
    SYS_sigaltstack,
#endif
#ifdef SYS_access
    SYS_access, SYS_stat, SYS_lstat, SYS_readlink,
#endif
};
enum { ALLOWED = sizeof allowed / sizeof *allowed };

static bool seccomp(void)
{
    enum { HEAD = 4, OPEN = 5, TAIL = 2 };
    const uint32_t nr = offsetof(struct seccomp_data, nr), arch = offsetof(struct seccomp_data, arch),
                   /* low word: both machines are little-endian */
                   flags = offsetof(struct seccomp_data, args) + 2 * sizeof(uint64_t);
    struct sock_filter f[HEAD + OPEN + ALLOWED + TAIL] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr),
        /* openat for reading alone. */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, OPEN - 1),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    size_t n = HEAD + OPEN;
    for (int i = 0; i < ALLOWED; i++, n++)
        f[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], (uint8_t)(ALLOWED - i), 0);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = { .len = (unsigned short)n, .filter = f };
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
static bool seccomp(void) { return false; }
#endif

unsigned hn_sandbox_enter(const char *dir, uint64_t ram_bytes_max, uint32_t cpu_seconds)
{
    unsigned guards = HN_GUARD_LIMITS;
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CPU, cpu_seconds);
    if (ram_bytes_max && ram_bytes_max < (rlim_t)-1 && !SANITIZED)
        limit(RLIMIT_DATA, (rlim_t)ram_bytes_max);       /* private memory; the mapped model does not count */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return guards;
    guards |= landlock(dir) ? HN_GUARD_LANDLOCK : 0;
    guards |= seccomp() ? HN_GUARD_SECCOMP : 0;
    return guards;
}
