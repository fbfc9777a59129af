/*
 * rights.c - the group that may write to SPOOL/drop/, used only while needed.
 */
#include "config.h"

#include "sendmail/rights.h"

#include "base/util.h"

#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

int rights_begin(struct rights *r)
{
	uid_t uid, effective_uid, saved_uid;
	gid_t saved;

	if (getresgid(&r->own, &r->raised, &saved) != 0 ||
		getresuid(&uid, &effective_uid, &saved_uid) != 0)
		return -1;
	r->trusted = getauxval(AT_SECURE) == 0 && r->own == r->raised &&
		     r->own == saved && uid == effective_uid &&
		     uid == saved_uid;
	/* made for a group; as somebody else's user it does not work */
	if (uid != effective_uid || uid != saved_uid)
		return -1;
	if (rights_lower(r) != 0)
		return -1;
	/* the one variable that the library would read for us: the time zone
	 * is the machine's, as sendmail has it */
	if (!r->trusted)
		unsetenv("TZ");
	return fill_stdio();
}

static int become(gid_t effective)
{
	return setresgid((gid_t)-1, effective, (gid_t)-1) == 0 &&
			       getegid() == effective
		       ? 0
		       : -1;
}

int rights_raise(const struct rights *r)
{
	return become(r->raised);
}

int rights_lower(const struct rights *r)
{
	return become(r->own);
}

int rights_give_up(const struct rights *r)
{
	gid_t real, effective, saved;

	if (setresgid(r->own, r->own, r->own) != 0 ||
		getresgid(&real, &effective, &saved) != 0)
		return -1;
	return real == r->own && effective == r->own && saved == r->own ? 0
									: -1;
}

const char *rights_setting(
	const struct rights *r, const char *variable, const char *otherwise)
{
	const char *value = r->trusted ? getenv(variable) : NULL;

	return value != NULL ? value : otherwise;
}
