/*
 * counters.c - shared pages, some written by each role, read by the other.
 */
#include "config.h"

#include "base/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

enum { COUNTERS_PAGES = 2 };

/* By enum counters_side; the kernel makes whole pages of it, and only of those
 * that are used. */
static const size_t sizes[COUNTERS_PAGES] = {
	[COUNTERS_RECEIVER] = sizeof(struct receiver_counters),
	[COUNTERS_RELAY] = sizeof(struct relay_counters),
};

struct counters_page {
	int write_fd;
	int read_fd; /* the same file, opened for reading only */
};

struct counters_pages {
	struct counters_page pages[COUNTERS_PAGES]; /* by enum counters_side */
};

/* What is mapped from a descriptor that cannot write can never be made
 * writable. Without /proc (a bare chroot) the writing one must do: the page is
 * still mapped for reading, and only code that already runs in the role could
 * change that; nothing acts on the numbers. */
static int reopen_for_reading(int fd)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	int read_fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_fd = open(path, O_RDONLY | O_CLOEXEC);
	return read_fd >= 0 ? read_fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int page_make(struct counters_page *page, const char *name, size_t size)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	page->read_fd = -1;
	page->write_fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
	if (page->write_fd < 0 && errno == EINVAL)
		page->write_fd = memfd_create(name, flags);
	if (page->write_fd < 0 || ftruncate(page->write_fd, (off_t)size) != 0)
		return -1;
	/* Nobody shall shrink it under the other's feet (SIGBUS). */
	fcntl(page->write_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	page->read_fd = reopen_for_reading(page->write_fd);
	return page->read_fd >= 0 ? 0 : -1;
}

static void page_close(struct counters_page *page)
{
	if (page->write_fd >= 0)
		close(page->write_fd);
	if (page->read_fd >= 0)
		close(page->read_fd);
	page->write_fd = -1;
	page->read_fd = -1;
}

struct counters_pages *counters_pages_new(struct err *err)
{
	static const char *const names[COUNTERS_PAGES] = {
		[COUNTERS_RECEIVER] = "receiver-counters",
		[COUNTERS_RELAY] = "relay-counters",
	};
	struct counters_pages *pages = malloc(sizeof(*pages));
	int i;

	if (pages == NULL) {
		err_errno(err, "counters");
		return NULL;
	}
	for (i = 0; i < COUNTERS_PAGES; i++)
		pages->pages[i] = (struct counters_page){-1, -1};
	for (i = 0; i < COUNTERS_PAGES; i++) {
		if (page_make(&pages->pages[i], names[i], sizes[i]) == 0)
			continue;
		err_errno(err, "cannot make the page of the counters");
		counters_pages_free(&pages);
		return NULL;
	}
	return pages;
}

void counters_pages_free(struct counters_pages **pages)
{
	int i;

	if (*pages == NULL)
		return;
	for (i = 0; i < COUNTERS_PAGES; i++)
		page_close(&(*pages)->pages[i]);
	free(*pages);
	*pages = NULL;
}

static void *page_map(
	const struct counters_page *page, size_t size, int writable)
{
	return mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
		MAP_SHARED, writable ? page->write_fd : page->read_fd, 0);
}

int counters_map(struct counters_pages *pages, enum counters_side side,
	struct counters *out, struct err *err)
{
	void *maps[COUNTERS_PAGES];
	int i, rc = 0;

	for (i = 0; i < COUNTERS_PAGES; i++) {
		maps[i] = page_map(&pages->pages[i], sizes[i], i == (int)side);
		if (maps[i] == MAP_FAILED)
			rc = err_errno(err, "cannot map the counters");
		page_close(&pages->pages[i]);
	}
	if (rc != 0) {
		for (i = 0; i < COUNTERS_PAGES; i++)
			if (maps[i] != MAP_FAILED)
				munmap(maps[i], sizes[i]);
		return -1;
	}
	out->receiver = maps[COUNTERS_RECEIVER];
	out->relay = maps[COUNTERS_RELAY];
	/* An earlier receiver's sessions went with it. */
	if (side == COUNTERS_RECEIVER)
		atomic_store(&out->receiver->open_sessions, 0);
	return 0;
}
