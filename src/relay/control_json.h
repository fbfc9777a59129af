/*
 * control_json.h - what the commands answer, as JSON objects.
 * Used by:    relay/control_commands, relay/control_stream.
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  every string is valid UTF-8: bytes that are not become U+FFFD, so
 *             that no stranger's text can make an answer fail.
 */
#ifndef GMRELAY_RELAY_CONTROL_JSON_H
#define GMRELAY_RELAY_CONTROL_JSON_H

#include "base/err.h"
#include "relay/account.h"
#include "relay/dispatch.h"
#include "relay/drop_file.h"

#include <jansson.h>
#include <stdint.h>

struct counters;
struct receiver_counters;

/* A JSON string of text, which may be anything; JSON null for NULL. */
json_t *control_json_text(const char *text);

json_t *control_json_id(uint64_t id);

/* A message with at most a few of its recipients: a row of a list. */
json_t *control_json_message(const struct message_info *info);

json_t *control_json_rcpt(const struct envelope_rcpt *rcpt);
json_t *control_json_account(const struct account_info *info);
json_t *control_json_counts(const struct dispatch_counts *counts);

/* now_s: the wall clock. JSON null for NULL: cannot be read. */
json_t *control_json_drop(const struct drop_counts *counts, int64_t now_s);

/* The clients that the receiver knows; NULL: none. */
json_t *control_json_clients(const struct receiver_counters *counters);

/* Both pages; NULL inside is fine. */
json_t *control_json_counters(const struct counters *counters);

#endif
