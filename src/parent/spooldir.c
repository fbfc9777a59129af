/*
 * spooldir.c - the spool's directories and its two locks.
 */
#include "config.h"

#include "parent/spooldir.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	ROOT_MODE = 0751,  /* SPOOL, when it is root's */
	OWN_MODE = 0700,   /* SPOOL otherwise; the relay's directories */
	GROUP_MODE = 0770, /* of drop, which has a group of its own */
	EMPTY_MODE = 0755,
	LOCK_MODE = 0600,
	OTHERS_MAY_WRITE = 022,
	ALL_BITS = 07777,
};

/* A directory as it is to be. */
struct place {
	const char *spool; /* for messages */
	const char *name;  /* "": the spool itself */
	struct privs_user owner;
	mode_t mode;
	bool shared; /* its group may write, if only files of one's own */
};

/* SPOOL itself may be a symbolic link (to a larger disk); what is in it not. */
static int open_directory(int at, const char *path)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	return openat(at, path, at == AT_FDCWD ? flags : flags | O_NOFOLLOW);
}

/* To fstat(2) one that we may be forbidden to read: without CAP_DAC_OVERRIDE
 * root is so by the relay's. */
static int look_at_directory(int at, const char *path)
{
	int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;

	return openat(at, path, at == AT_FDCWD ? flags : flags | O_NOFOLLOW);
}

/* Owner and mode of one that was just made; it is still empty. Mode first: the
 * owner may change it without CAP_FOWNER. */
static int give(int fd, const struct place *p, struct err *err)
{
	if (fchmod(fd, p->mode) != 0 ||
		(geteuid() == 0 && fchown(fd, p->owner.uid, p->owner.gid) != 0))
		return err_errno(err,
			"%s/%s: cannot set owner and mode (`gmrelayd -p`, by "
			"root with all its rights, can)",
			p->spool, p->name);
	return 0;
}

/* The relay's directories must be the relay's; an old owner means that
 * relay-user was changed. */
static int check(int fd, const struct place *p, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_errno(err, "%s/%s", p->spool, p->name);
	if (st.st_uid != p->owner.uid && p->shared)
		return err_set(err, ERR_ACCESS,
			"%s/%s belongs to uid %u and must be uid %u's: `chown "
			"%u %s/%s` if it is this daemon's",
			p->spool, p->name, (unsigned)st.st_uid,
			(unsigned)p->owner.uid, (unsigned)p->owner.uid,
			p->spool, p->name);
	if (st.st_uid != p->owner.uid)
		return err_set(err, ERR_ACCESS,
			"%s/%s belongs to uid %u and must be uid %u's: `chown "
			"-R %u:%u %s/%s` if it is this daemon's",
			p->spool, p->name, (unsigned)st.st_uid,
			(unsigned)p->owner.uid, (unsigned)p->owner.uid,
			(unsigned)p->owner.gid, p->spool, p->name);
	if (p->shared && (st.st_mode & ALL_BITS) == (S_ISVTX | GROUP_MODE))
		return 0;
	if ((st.st_mode & OTHERS_MAY_WRITE) != 0 ||
		(p->mode == OWN_MODE && p->name[0] != '\0' &&
			(st.st_mode & ALL_BITS) != OWN_MODE))
		return err_set(err, ERR_ACCESS,
			"%s/%s has mode %04o: `chmod %04o %s/%s`", p->spool,
			p->name, (unsigned)st.st_mode & ALL_BITS,
			(unsigned)p->mode, p->spool, p->name);
	return 0;
}

static int place_make(int at, const struct place *p, struct err *err)
{
	const char *path = p->name[0] != '\0' ? p->name : p->spool;
	bool made = mkdirat(at, path, OWN_MODE) == 0;
	int fd, rc;

	if (!made && errno != EEXIST)
		return err_errno(err, "cannot make %s%s%s", p->spool,
			p->name[0] != '\0' ? "/" : "", p->name);
	fd = made ? open_directory(at, path) : look_at_directory(at, path);
	if (fd < 0)
		return err_errno(err, "%s/%s", p->spool, p->name);
	rc = made ? give(fd, p, err) : check(fd, p, err);
	close(fd);
	/* of the wrong owner it would only be in the way */
	if (made && rc != 0)
		unlinkat(at, path, AT_REMOVEDIR);
	return rc;
}

/* SPOOL itself may be there already, made by an administrator or a volume: it
 * is taken if root's or the relay's own. Where it is root's, but closed to the
 * relay, its group is set. */
static int spool_make(
	const char *spool, const struct privs_users *users, struct err *err)
{
	struct place p = {
		.spool = spool,
		.name = "",
		.owner = {geteuid(), users->relay.gid},
		.mode = users->root ? ROOT_MODE : OWN_MODE,
	};
	const mode_t open_to_all = S_IROTH | S_IXOTH;
	const mode_t open_to_group = S_IRGRP | S_IXGRP;
	struct stat st;
	int fd, rc;

	if (!users->root || stat(spool, &st) != 0)
		return place_make(AT_FDCWD, &p, err);
	if (st.st_uid == users->relay.uid)
		p.owner = users->relay;
	if (place_make(AT_FDCWD, &p, err) != 0)
		return -1;
	if (st.st_uid == users->relay.uid ||
		(st.st_mode & open_to_all) == open_to_all ||
		(st.st_gid == users->relay.gid &&
			(st.st_mode & open_to_group) == open_to_group))
		return 0;
	fd = open_directory(AT_FDCWD, spool);
	if (fd < 0)
		return err_errno(err, "%s", spool);
	rc = give(fd, &p, err);
	close(fd);
	return rc;
}

/* drop was made before its group was, and nobody else could get in. */
static int share(int at, const struct place *p, struct err *err)
{
	struct stat st;
	int fd, rc;

	if (fstatat(at, p->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_errno(err, "%s/%s", p->spool, p->name);
	if ((st.st_mode & ALL_BITS) != OWN_MODE)
		return 0;
	fd = open_directory(at, p->name);
	if (fd < 0) {
		rc = err_errno(err, "%s/%s", p->spool, p->name);
	} else if (fchown(fd, geteuid(), (gid_t)-1) != 0) {
		/* for CAP_FOWNER, which we may lack */
		rc = err_errno(err, "%s/%s: cannot set owner and mode",
			p->spool, p->name);
	} else {
		rc = give(fd, p, err);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static int make_drop(int at, const char *spool, const struct privs_users *users,
	struct err *err)
{
	struct place p = {
		.spool = spool,
		.name = "drop",
		.owner = users->relay,
		.mode = OWN_MODE,
		.shared = true,
	};

	if (users->drop_gid == 0)
		return place_make(at, &p, err);
	p.owner.gid = users->drop_gid;
	p.mode = S_ISVTX | GROUP_MODE;
	if (mkdirat(at, p.name, OWN_MODE) != 0 && errno != EEXIST)
		return err_errno(err, "cannot make %s/%s", spool, p.name);
	if (share(at, &p, err) != 0)
		return -1;
	return place_make(at, &p, err);
}

static int make_all(int at, const char *spool, const struct privs_users *users,
	struct err *err)
{
	static const char *const relays[] = {
		"journal", "large", "queue", "failed", "state"};
	struct place p = {
		.spool = spool,
		.name = "empty",
		.owner = {geteuid(), getegid()},
		.mode = EMPTY_MODE,
	};
	size_t i;

	if (place_make(at, &p, err) != 0)
		return -1;
	p.owner = users->relay;
	p.mode = OWN_MODE;
	for (i = 0; i < COUNT_OF(relays); i++) {
		p.name = relays[i];
		if (place_make(at, &p, err) != 0)
			return -1;
	}
	if (make_drop(at, spool, users, err) != 0)
		return -1;
	/* The new names are to outlive a power cut: mail rests on them. */
	if (fsync(at) != 0)
		return err_errno(err, "%s: cannot sync", spool);
	return 0;
}

int spooldir_make(
	const char *spool, const struct privs_users *users, struct err *err)
{
	int fd, rc;

	if (spool_make(spool, users, err) != 0)
		return -1;
	fd = open_directory(AT_FDCWD, spool);
	if (fd < 0)
		return err_errno(err, "%s", spool);
	rc = make_all(fd, spool, users, err);
	close(fd);
	return rc;
}

gid_t spooldir_drop_gid(const char *spool, const struct privs_users *users)
{
	int at = open_directory(AT_FDCWD, spool);
	struct stat st;
	gid_t gid = 0;

	if (at < 0)
		return gid;
	if (users->root && fstatat(at, "drop", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode) && st.st_uid == users->relay.uid &&
		(st.st_mode & ALL_BITS) == (S_ISVTX | GROUP_MODE) &&
		st.st_gid != users->relay.gid)
		gid = st.st_gid;
	close(at);
	return gid;
}

bool spooldir_drop_in_reach(const char *spool)
{
	struct stat st;

	return stat(spool, &st) == 0 && (st.st_mode & S_IXOTH) != 0;
}

static int open_lock(
	int at, const char *name, const char *spool, struct err *err)
{
	int fd = openat(at, name,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		LOCK_MODE);
	struct stat st;

	if (fd < 0)
		return err_errno(err, "%s/%s", spool, name);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, ERR_ACCESS, "%s/%s: not a regular file",
			spool, name);
	}
	return fd;
}

static int take_lock(int fd, const char *spool, struct err *err)
{
	char text[32];
	ssize_t len;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return err_errno(err, "%s/lock", spool);
		len = pread_full(fd, text, sizeof(text) - 1, 0);
		text[len > 0 ? len : 0] = '\0';
		return err_set(err, ERR_ACCESS,
			"spool %s is in use by another gmrelayd, pid %ld: stop "
			"that one, or give this one a spool of its own",
			spool, strtol(text, NULL, 10));
	}
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite_full(fd, text, (size_t)len, 0) != 0)
		return err_errno(err, "%s/lock", spool);
	return 0;
}

static int open_all(
	struct spooldir *s, int at, const char *spool, struct err *err)
{
	s->lock_fd = open_lock(at, "lock", spool, err);
	if (s->lock_fd < 0 || take_lock(s->lock_fd, spool, err) != 0)
		return -1;
	s->roles_fd = open_lock(at, "roles", spool, err);
	if (s->roles_fd < 0)
		return -1;
	s->empty_fd = open_directory(at, "empty");
	if (s->empty_fd < 0)
		return err_errno(err, "%s/empty", spool);
	return 0;
}

int spooldir_open(struct spooldir *s, const char *spool, struct err *err)
{
	int at, rc;

	*s = (struct spooldir){-1, -1, -1};
	at = open_directory(AT_FDCWD, spool);
	if (at < 0)
		return err_errno(err, "%s", spool);
	rc = open_all(s, at, spool, err);
	close(at);
	if (rc != 0)
		spooldir_close(s);
	return rc;
}

int spooldir_lock_roles(const struct spooldir *s, bool (*wait)(void *arg),
	void *arg, struct err *err)
{
	int64_t until = clock_boot_ms() + SPOOLDIR_ROLES_WAIT_MS;

	while (flock(s->roles_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno(err, "spool/roles");
		if (clock_boot_ms() >= until)
			return err_set(err, ERR_LIMIT,
				"roles of an earlier gmrelayd still run after "
				"%d s: end them (`fuser -v` on the file roles "
				"in the spool shows them)",
				SPOOLDIR_ROLES_WAIT_MS / 1000);
		if (!wait(arg))
			return err_set(err, ERR_LIMIT, "asked to stop");
	}
	return 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void spooldir_close(struct spooldir *s)
{
	close_one(&s->empty_fd);
	close_one(&s->roles_fd);
	close_one(&s->lock_fd);
}

const char *spooldir_volatile(const char *spool)
{
	static const struct {
		long magic;
		const char *name;
	} forgetful[] = {
		{TMPFS_MAGIC, "tmpfs"},
		{RAMFS_MAGIC, "ramfs"},
		{OVERLAYFS_SUPER_MAGIC, "overlay"},
	};
	struct statfs fs;
	size_t i;

	if (statfs(spool, &fs) != 0)
		return NULL;
	for (i = 0; i < COUNT_OF(forgetful); i++)
		if ((unsigned long)fs.f_type ==
			(unsigned long)forgetful[i].magic)
			return forgetful[i].name;
	return NULL;
}
