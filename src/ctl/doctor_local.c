/*
 * doctor_local.c - what doctor can see without the daemon: configuration,
 *                  credential files, the spool's file system.
 */
#include "config.h"

#include "base/conf.h"
#include "base/credential.h"
#include "base/secret_file.h"
#include "base/util.h"
#include "ctl/finding.h"
#include "ctl/text.h"
#include "receiver/receiver.h"
#include "spool/journal_read.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPACE_WARN  (512ULL * 1024 * 1024)
#define INODES_WARN 1000

static const char root_advice[] =
	"Run gmrelayctl doctor as root to have it looked at.";

/* --- configuration ------------------------------------------------------- */

static const struct conf *check_conf(struct findings *f)
{
	struct ctl *ctl = f->ctl;
	const struct conf *conf = ctl_conf(ctl);
	size_t i;

	if (conf == NULL && !ctl_conf_is_readable(ctl)) {
		finding_tell(f,
			errno == EACCES ? FINDING_UNKNOWN : FINDING_FAIL,
			"configuration", ctl->problems->items[0].text,
			errno == EACCES
				? root_advice
				: "Write it: gmrelayd.conf(5) shows the three "
				  "lines that are enough, -c names another "
				  "file.");
		return NULL;
	}
	for (i = 0; i < ctl->problems->count; i++)
		finding_tell(f,
			ctl->problems->items[i].warning ? FINDING_WARN
							: FINDING_FAIL,
			"configuration", ctl->problems->items[i].text, NULL);
	if (conf != NULL)
		finding_tell(
			f, FINDING_OK, "configuration", ctl->conf_file, NULL);
	return conf;
}

/* --- credentials --------------------------------------------------------- */

/* The group a role will have: the one that may read its files besides root. Its
 * user is a name or a number. */
static gid_t role_gid(const char *name)
{
	const struct passwd *user = getpwnam(name);
	char *end;
	unsigned long number;

	if (user == NULL) {
		number = strtoul(name, &end, 10);
		if (end != name && *end == '\0')
			user = getpwuid((uid_t)number);
	}
	return user != NULL ? user->pw_gid : (gid_t)-1;
}

static bool is_closed(const char *path)
{
	return path[0] != '\0' && access(path, R_OK) != 0 && errno == EACCES;
}

/* The certificate that clients see, its key, and the users. */
static void check_client_files(struct findings *f, const struct conf *conf)
{
	static const char where[] = "certificate and users";
	char warning[ERR_TEXT_MAX];
	struct err err;

	if (conf->tls_cert[0] == '\0' && conf->users_file[0] == '\0')
		return;
	if (is_closed(conf->tls_key) || is_closed(conf->users_file))
		finding_tell(f, FINDING_UNKNOWN, where,
			"you may not read the files, as it should be",
			root_advice);
	else if (receiver_secrets_check(conf, role_gid(conf->user), warning,
			 sizeof(warning), &err) != 0)
		finding_tell(f, FINDING_FAIL, where, err.text,
			"gmrelayctl certificate makes a certificate and its "
			"key, gmrelayctl password a user's line.");
	else if (warning[0] != '\0')
		finding_tell(f, FINDING_WARN, where, warning,
			"Replace it, then run gmrelayctl reload.");
	else
		finding_tell(f, FINDING_OK, where,
			conf->tls_cert[0] != '\0' ? conf->tls_cert
						  : conf->users_file,
			NULL);
}

static void check_credential(struct findings *f, const struct conf *conf,
	const struct conf_account *account)
{
	const char *path = account->password_file;
	struct err err;
	char where[128];
	bool app_password;

	snprintf(where, sizeof(where), "password of %s", account->name);
	if (secret_file_is_elsewhere(path)) {
		finding_tell(f, FINDING_OK, where,
			"comes from systemd (LoadCredential): only the daemon "
			"sees it",
			NULL);
		return;
	}
	if (is_closed(path)) {
		finding_tell(f, FINDING_UNKNOWN, where,
			"you may not read the file, as it should be",
			root_advice);
		return;
	}
	if (credential_check(
		    path, role_gid(conf->relay_user), &app_password, &err) != 0)
		finding_tell(f, FINDING_FAIL, where, err.text,
			"The file holds the 16-letter app password alone, "
			"belongs to root and has mode 0600; "
			"https://myaccount.google.com/apppasswords makes one.");
	else if (!app_password && conf_is_google(account))
		finding_tell(f, FINDING_WARN, where,
			"does not look like an app password, which is 16 "
			"letters",
			"Gmail refuses the account's own password: "
			"https://myaccount.google.com/apppasswords makes "
			"another one.");
	else
		finding_tell(f, FINDING_OK, where, path, NULL);
}

/* --- spool --------------------------------------------------------------- */

/* Numbers from statfs(2) and linux/magic.h. */
static const struct {
	unsigned long type;
	const char *name;
	const char *advice;
} file_systems[] = {
	{0x01021994, "tmpfs",
		"Mail in it is gone after a restart of the machine: put the "
		"spool on a disk."},
	{0x858458f6, "ramfs",
		"Mail in it is gone after a restart of the machine: put the "
		"spool on a disk."},
	{0x794c7630, "overlay",
		"In a container, mail in it is gone with the container: mount "
		"a volume for the spool."},
	{0x6969, "nfs",
		"What a network file system says is safe may not be: put the "
		"spool on a local disk."},
	{0xff534d42, "cifs",
		"What a network file system says is safe may not be: put the "
		"spool on a local disk."},
	{0xfe534d42, "smb2",
		"What a network file system says is safe may not be: put the "
		"spool on a local disk."},
	{0x01021997, "9p",
		"What a shared file system says is safe may not be: put the "
		"spool on a local disk."},
	{0x65735546, "fuse",
		"Whether it keeps what it was told to sync depends on what is "
		"behind it: a local disk is better."},
};

static void check_file_system(struct findings *f, const char *path)
{
	struct statfs fs;
	size_t i;

	if (statfs(path, &fs) != 0)
		return;
	for (i = 0; i < COUNT_OF(file_systems); i++) {
		if (((unsigned long)fs.f_type & 0xffffffffUL) !=
			file_systems[i].type)
			continue;
		finding_tell(f, FINDING_WARN, "spool's file system",
			file_systems[i].name, file_systems[i].advice);
		return;
	}
	finding_tell(f, FINDING_OK, "spool's file system",
		"a local one, as far as can be seen", NULL);
}

static void check_space(struct findings *f, const char *path)
{
	char size[TEXT_SHORT], text[128];
	struct statvfs fs;
	uint64_t space;
	bool few;

	if (statvfs(path, &fs) != 0)
		return;
	space = (uint64_t)fs.f_bavail * fs.f_frsize;
	/* some file systems count no inodes */
	few = fs.f_files > 0 && fs.f_favail < INODES_WARN;
	snprintf(text, sizeof(text), "%s free%s", text_size(size, space),
		few ? ", and hardly any file may be made" : "");
	finding_tell(f,
		space < JOURNAL_RESERVE     ? FINDING_FAIL
		: space < SPACE_WARN || few ? FINDING_WARN
					    : FINDING_OK,
		"spool's space", text,
		"Make room: below 64 MB no new mail is accepted.");
}

static void check_spool(struct findings *f, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0 && errno == EACCES) {
		finding_tell(f, FINDING_UNKNOWN, "spool", path, root_advice);
		return;
	}
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		finding_tell(f, FINDING_FAIL, "spool", path,
			"There is no such directory: gmrelayd makes it when it "
			"is started as root, and may make it.");
		return;
	}
	finding_tell(f, FINDING_OK, "spool", path, NULL);
	check_file_system(f, path);
	check_space(f, path);
}

void doctor_local(struct findings *f)
{
	const struct conf *conf = check_conf(f);
	size_t i;

	if (conf == NULL)
		return;
	for (i = 0; i < conf->account_count; i++)
		check_credential(f, conf, &conf->accounts[i]);
	check_client_files(f, conf);
	check_spool(f, conf->spool);
}
