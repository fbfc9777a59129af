/*
 * sandbox.c - the system calls a role may make, and no others: seccomp(2).
 *
 * By name: a call that this kernel or machine does not have is no row for it,
 * and old and new names of one thing (stat, newfstatat, statx) stand side by
 * side, as the C library picks.
 */
#include "config.h"

#include "parent/sandbox.h"

#ifndef HAVE_SECCOMP

int sandbox_enter(enum sandbox_role role, struct err *err)
{
	(void)role;
	(void)err;
	return 0;
}

#else

#include "base/util.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#define BOTH  (SANDBOX_RECEIVER | SANDBOX_RELAY)
#define RELAY SANDBOX_RELAY

static const struct {
	const char *name;
	unsigned roles;
} allowed[] = {
	/* memory, threads, the end */
	{"brk", BOTH},
	{"exit", BOTH},
	{"exit_group", BOTH},
	{"futex", BOTH},
	{"futex_time64", BOTH},
	{"get_robust_list", BOTH},
	{"madvise", BOTH},
	{"membarrier", BOTH},
	{"mmap", BOTH},
	{"mmap2", BOTH},
	{"mprotect", BOTH},
	{"mremap", BOTH},
	{"munmap", BOTH},
	{"rseq", BOTH},
	{"sched_getaffinity", BOTH},
	{"sched_yield", BOTH},
	{"set_robust_list", BOTH},
	{"sysinfo", BOTH},
	/* signals, our own */
	{"restart_syscall", BOTH},
	{"rt_sigaction", BOTH},
	{"rt_sigprocmask", BOTH},
	{"rt_sigreturn", BOTH},
	{"sigaltstack", BOTH},
	{"sigreturn", BOTH},
	{"tgkill", BOTH},
	/* who am I, what time is it, a random number */
	{"clock_getres", BOTH},
	{"clock_gettime", BOTH},
	{"clock_gettime64", BOTH},
	{"clock_nanosleep", BOTH},
	{"clock_nanosleep_time64", BOTH},
	{"getegid", BOTH},
	{"geteuid", BOTH},
	{"getgid", BOTH},
	{"getpid", BOTH},
	{"getrandom", BOTH},
	{"getrusage", BOTH},
	{"gettid", BOTH},
	{"gettimeofday", BOTH},
	{"getuid", BOTH},
	{"nanosleep", BOTH},
	{"time", BOTH},
	{"uname", BOTH},
	/* waiting */
	{"epoll_create1", BOTH},
	{"epoll_ctl", BOTH},
	{"epoll_pwait", BOTH},
	{"epoll_pwait2", BOTH},
	{"epoll_wait", BOTH},
	{"eventfd2", BOTH},
	{"pipe2", BOTH},
	{"poll", BOTH},
	{"ppoll", BOTH},
	{"ppoll_time64", BOTH},
	{"timerfd_create", BOTH},
	{"timerfd_settime", BOTH},
	/* descriptors that are open */
	{"_llseek", BOTH},
	{"close", BOTH},
	{"close_range", BOTH},
	{"dup", BOTH},
	{"fcntl", BOTH},
	{"fcntl64", BOTH},
	{"fdatasync", BOTH},
	{"fstat", BOTH},
	{"fstat64", BOTH},
	{"fstatfs", BOTH},
	{"fstatfs64", BOTH},
	{"fsync", BOTH},
	{"ftruncate", BOTH},
	{"ftruncate64", BOTH},
	{"ioctl", BOTH},
	{"lseek", BOTH},
	{"pread64", BOTH},
	{"pwrite64", BOTH},
	{"read", BOTH},
	{"readv", BOTH},
	{"write", BOTH},
	{"writev", BOTH},
	/* sockets that are there, and clients of those that listen */
	{"accept", BOTH},
	{"accept4", BOTH},
	{"getpeername", BOTH},
	{"getsockname", BOTH},
	{"getsockopt", BOTH},
	{"recv", BOTH},
	{"recvfrom", BOTH},
	{"recvmsg", BOTH},
	{"send", BOTH},
	{"sendmsg", BOTH},
	{"sendto", BOTH},
	{"setsockopt", BOTH},
	{"shutdown", BOTH},
	/* the spool, certificates, what the resolver reads */
	{"access", RELAY},
	{"faccessat", RELAY},
	{"faccessat2", RELAY},
	{"fallocate", RELAY},
	{"fchmod", RELAY},
	{"flock", RELAY},
	{"getcwd", RELAY},
	{"getdents64", RELAY},
	{"inotify_add_watch", RELAY},
	{"inotify_init1", RELAY},
	{"inotify_rm_watch", RELAY},
	{"linkat", RELAY},
	{"lstat", RELAY},
	{"lstat64", RELAY},
	{"mkdirat", RELAY},
	{"newfstatat", RELAY},
	{"fstatat64", RELAY},
	{"open", RELAY},
	{"openat", RELAY},
	{"readlink", RELAY},
	{"readlinkat", RELAY},
	{"rename", RELAY},
	{"renameat", RELAY},
	{"renameat2", RELAY},
	{"stat", RELAY},
	{"stat64", RELAY},
	{"statfs", RELAY},
	{"statfs64", RELAY},
	{"statx", RELAY},
	{"unlink", RELAY},
	{"unlinkat", RELAY},
	{"utimensat", RELAY},
	/* to the server, the resolver, the submit socket */
	{"bind", RELAY},
	{"connect", RELAY},
	{"recvmmsg", RELAY},
	{"sendmmsg", RELAY},
	{"socket", RELAY},
	{"socketpair", RELAY},
};

/* Threads, but no processes. What clone3(2) is asked stands in memory, where no
 * filter can look; the C library goes on with clone(2). */
static int allow_threads(scmp_filter_ctx filter)
{
	int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	if (rc == 0)
		rc = seccomp_rule_add(
			filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* a thread's name */
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl),
			1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
	return rc;
}

static int fill(scmp_filter_ctx filter, enum sandbox_role role)
{
	int rc = allow_threads(filter), number;
	size_t i;

	for (i = 0; rc == 0 && i < COUNT_OF(allowed); i++) {
		if ((allowed[i].roles & role) == 0)
			continue;
		number = seccomp_syscall_resolve_name(allowed[i].name);
		/* below 0: none of this machine's */
		if (number >= 0)
			rc = seccomp_rule_add(
				filter, SCMP_ACT_ALLOW, number, 0);
	}
	return rc;
}

int sandbox_enter(enum sandbox_role role, struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc;

	if (filter == NULL)
		return err_set(err, ERR_SYSTEM, "no memory for a filter");
	rc = fill(filter, role);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	malloc_trim(0);
	if (rc == 0)
		return 1;
	return err_set(err, ERR_SYSTEM,
		"the kernel does not take a filter of system calls: %s",
		strerror(-rc));
}

#endif
