/*
 * spool_clock.c - the time that passes and the room there is, as the test says.
 */
#include "config.h"

#include "spool_io.h"

#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t room = UINT64_MAX;
static _Atomic int64_t skew_ms;

void io_set_room(uint64_t octets)
{
	room = octets;
}

int fstatvfs(int fd, struct statvfs *st)
{
	(void)fd;
	memset(st, 0, sizeof(*st));
	st->f_frsize = 1;
	st->f_bavail = room;
	return 0;
}

void io_advance_ms(int64_t ms)
{
	skew_ms += ms;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int64_t skew = skew_ms;
	int rc = (int)syscall(SYS_clock_gettime, clock, now);

	if (clock == CLOCK_REALTIME || rc != 0)
		return rc;
	now->tv_sec += skew / 1000;
	now->tv_nsec += skew % 1000 * 1000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_nsec -= 1000000000;
		now->tv_sec++;
	}
	return rc;
}

int64_t io_real_ms(void)
{
	struct timespec now;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
