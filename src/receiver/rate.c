/*
 * rate.c - messages-per-hour: a client that sends too many is put off, the
 *          others are not.
 */
#include "config.h"

#include "receiver/rate.h"

#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "receiver/session.h"

#include <stdio.h>

static void put_off(struct session *s, unsigned limit)
{
	char detail[32];

	s->shared->counters->deferred++;
	census_refused(&s->shared->census, &s->peer);
	if (census_alert(&s->shared->census, &s->peer))
		log_warn("too-many-messages peer=%s setting=messages-per-hour "
			 "messages-limit=%u reply=\"%s\" reason=\"this client "
			 "sends more than that and is put off, others are "
			 "not\" advice=\"look at what it sends; this is told "
			 "once an hour\"",
			s->peer.log, limit,
			rx_reply_codes(RX_TOO_MANY_MESSAGES));
	snprintf(detail, sizeof(detail), "%u", limit);
	session_reply_detail(s, RX_TOO_MANY_MESSAGES, detail);
}

int rate_begin(struct session *s)
{
	const unsigned limit = s->profile->messages_per_hour;

	if (limit == 0)
		return 0;
	if (census_begin(&s->shared->census, &s->peer, limit) != 0) {
		put_off(s, limit);
		return -1;
	}
	s->counted = true;
	return 0;
}

void rate_end(struct session *s)
{
	if (!s->counted)
		return;
	s->counted = false;
	census_end(&s->shared->census, &s->peer);
}
