/*
 * client_record.c - what is known of one client.
 */
#include "config.h"

#include "base/client_record.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Looks at a record that is being changed. */
enum { READS_MAX = 100 };

static void copy(const struct client_record *record, struct client_view *out)
{
	const uint64_t who[2] = {record->who[0], record->who[1]};
	size_t i;

	memset(out, 0, sizeof(*out));
	out->kind = (enum client_kind)record->kind;
	memcpy(&out->who, who, sizeof(out->who));
	out->first_s = (int64_t)(record->first_s & INT64_MAX);
	out->last_s = (int64_t)(record->last_s & INT64_MAX);
	out->accepted = record->accepted;
	out->refused = record->refused;
	for (i = 0; i < QUIRK_COUNT; i++)
		out->quirks[i] = record->quirks[i];
}

int client_record_read(
	const struct client_record *record, struct client_view *out)
{
	uint32_t version;
	int i;

	for (i = 0; i < READS_MAX; i++) {
		version = record->version;
		if (version % 2 != 0)
			continue;
		copy(record, out);
		if (record->version != version)
			continue;
		if (out->kind == CLIENT_NONE)
			return 0;
		return out->kind == CLIENT_ADDRESS || out->kind == CLIENT_USER
			       ? 1
			       : -1;
	}
	return -1;
}

const char *client_view_text(
	const struct client_view *view, char out[CLIENT_TEXT_SIZE])
{
	const unsigned char *octets = view->who.s6_addr;
	const bool v4 = IN6_IS_ADDR_V4MAPPED(&view->who);
	uint32_t uid;

	memcpy(&uid, octets + 12, sizeof(uid));
	if (view->kind == CLIENT_USER)
		snprintf(out, CLIENT_TEXT_SIZE, "uid %u", ntohl(uid));
	else if (inet_ntop(v4 ? AF_INET : AF_INET6,
			 v4 ? (const void *)(octets + 12) : octets, out,
			 CLIENT_TEXT_SIZE) == NULL)
		out[0] = '\0';
	return out;
}
