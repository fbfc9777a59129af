/*
 * intruder.c - preloaded into gmrelayd by a test: a client's line that begins
 * with "XINTRUDE" is answered by code that runs in the receiver's place, as if
 * it had been broken into. It tries what such code would try and sends back a
 * line each, "NAME ERRNO" (0: it worked), then ".".
 */
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static const char magic[] = "XINTRUDE";

enum { FDS = 64, TEXT_MAX = 8192 };

static long open_file(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long open_here(void)
{
	return open(".", O_RDONLY | O_DIRECTORY);
}

static long open_above(void)
{
	return open("../../../../..", O_RDONLY | O_DIRECTORY);
}

static long open_memory(void)
{
	return open("/proc/self/mem", O_RDWR);
}

static long create_file(void)
{
	return open("made-by-an-intruder", O_WRONLY | O_CREAT, 0600);
}

static long make_directory(void)
{
	return mkdir("made-by-an-intruder", 0700);
}

static long change_root(void)
{
	return chroot(".");
}

static long look_at_file(void)
{
	struct stat st;

	return stat("/", &st);
}

static long make_tcp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long make_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long make_netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long connect_somewhere(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(25)};

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(3, (struct sockaddr *)&to, sizeof(to));
}

static long run_program(void)
{
	char *const none[] = {NULL};

	return execve("/bin/sh", none, none);
}

static long make_process(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long trace_parent(void)
{
	return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static long read_parent(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)&magic, 1};

	return process_vm_readv(getppid(), &here, 1, &there, 1, 0);
}

static long kill_parent(void)
{
	return kill(getppid(), 0);
}

static long become_root(void)
{
	return setuid(0);
}

static long mount_something(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static long make_ring(void)
{
	char params[256] = {0};

	return syscall(SYS_io_uring_setup, 1, params);
}

static long load_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long make_namespace(void)
{
	return syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */);
}

/* Of what it holds, nothing that is a file can be read. */
static long read_held_files(void)
{
	struct stat st;
	char byte;
	int fd;

	for (fd = 3; fd < FDS; fd++)
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
			pread(fd, &byte, 1, 0) >= 0)
			return fd;
	errno = EBADF;
	return -1;
}

static const struct {
	const char *name;
	long (*try)(void);
} attempts[] = {
	{"open_file", open_file},
	{"open_here", open_here},
	{"open_above", open_above},
	{"open_memory", open_memory},
	{"create_file", create_file},
	{"make_directory", make_directory},
	{"change_root", change_root},
	{"look_at_file", look_at_file},
	{"make_tcp_socket", make_tcp_socket},
	{"make_unix_socket", make_unix_socket},
	{"make_netlink_socket", make_netlink_socket},
	{"connect_somewhere", connect_somewhere},
	{"run_program", run_program},
	{"make_process", make_process},
	{"trace_parent", trace_parent},
	{"read_parent", read_parent},
	{"kill_parent", kill_parent},
	{"become_root", become_root},
	{"mount_something", mount_something},
	{"make_ring", make_ring},
	{"load_bpf", load_bpf},
	{"make_namespace", make_namespace},
	{"read_held_files", read_held_files},
};

static void intrude(int fd)
{
	char text[TEXT_MAX];
	size_t len = 0, i;

	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		errno = 0;
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"%s %d\r\n", attempts[i].name,
			attempts[i].try() >= 0 ? 0 : errno);
	}
	len += (size_t)snprintf(text + len, sizeof(text) - len, ".\r\n");
	(void)!send(fd, text, len, MSG_NOSIGNAL);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	static ssize_t (*real)(int, void *, size_t, int);
	ssize_t n;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "recv");
	n = real(fd, data, size, flags);
	if (n >= (ssize_t)(sizeof(magic) - 1) &&
		memcmp(data, magic, sizeof(magic) - 1) == 0)
		intrude(fd);
	return n;
}
