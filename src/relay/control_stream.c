/*
 * control_stream.c - lists, a message's details and bytes, follow.
 */
#include "config.h"

#include "relay/control_stream.h"

#include "base/util.h"
#include "relay/control_json.h"
#include "relay/dispatch.h"
#include "spool/content.h"

#include <stdlib.h>

enum {
	LIST_STEP = 10, /* rows read at once: each has its whole envelope */
	SHOW_STEP = 100,
	/* of cat: whole lines of base64 without padding in between */
	CAT_STEP = 48 * 1024,
};

/* --- queue.list ---------------------------------------------------------- */

struct list_state {
	uint64_t after;
	size_t left;
	bool failed;
	bool seen;
};

static void send_row(struct control_client *c, struct list_state *s,
	struct message_info *info)
{
	json_t *line =
		json_pack("{s:o}", "message", control_json_message(info));

	control_send(c, &line);
	if (s->failed && s->seen)
		dispatch_seen(control_client_dispatch(c), info->id);
	s->after = info->id;
	envelope_free(&info->envelope);
}

static int list_step(struct control_client *c, void *state)
{
	struct list_state *s = state;
	struct message_info rows[LIST_STEP + 1];
	size_t want = s->left < LIST_STEP ? s->left : LIST_STEP;
	size_t i, n;

	/* one more than is shown tells whether there are more */
	n = dispatch_list(control_client_dispatch(c), s->failed, s->after, rows,
		want + 1);
	for (i = 0; i < n && i < want; i++)
		send_row(c, s, &rows[i]);
	if (n > want)
		envelope_free(&rows[want].envelope);
	s->left -= n < want ? n : want;
	if (n > want && s->left > 0)
		return 1;
	control_done(c, json_pack("{s:b}", "more", n > want));
	return 0;
}

static void state_free(struct control_client *c, void *state)
{
	(void)c;
	free(state);
}

void control_queue_list(
	struct control_client *c, const struct control_request *r)
{
	static const struct control_stream stream = {
		.step = list_step, .free = state_free};
	struct list_state *s = xcalloc(1, sizeof(*s));

	s->after = r->after;
	s->left = r->limit > 0 ? (size_t)r->limit : CONTROL_LIST_MAX;
	s->failed = r->failed;
	s->seen = r->seen;
	control_begin_stream(c, &stream, s);
}

/* --- queue.show ---------------------------------------------------------- */

struct show_state {
	struct message_info info;
	size_t next;
};

static int show_step(struct control_client *c, void *state)
{
	struct show_state *s = state;
	const struct envelope *env = s->info.envelope;
	size_t end;
	json_t *line;

	end = env->rcpt_count - s->next < SHOW_STEP ? env->rcpt_count
						    : s->next + SHOW_STEP;
	for (; s->next < end; s->next++) {
		line = json_pack("{s:o}", "recipient",
			control_json_rcpt(&env->rcpts[s->next]));
		control_send(c, &line);
	}
	if (s->next < env->rcpt_count)
		return 1;
	control_done(c, NULL);
	return 0;
}

static void show_free(struct control_client *c, void *state)
{
	struct show_state *s = state;

	(void)c;
	envelope_free(&s->info.envelope);
	free(s);
}

static void note_seen(struct control_client *c, const struct control_request *r,
	const struct message_info *info)
{
	if (r->seen && info->state == MESSAGE_FAILED)
		dispatch_seen(control_client_dispatch(c), info->id);
}

void control_queue_show(
	struct control_client *c, const struct control_request *r)
{
	static const struct control_stream stream = {
		.step = show_step, .free = show_free};
	struct show_state *s = xcalloc(1, sizeof(*s));
	struct err err;
	json_t *line;

	if (dispatch_read(control_client_dispatch(c), r->id, &s->info, NULL,
		    &err) != 0) {
		free(s);
		control_fail(c, &err);
		return;
	}
	note_seen(c, r, &s->info);
	line = json_pack("{s:o}", "message", control_json_message(&s->info));
	control_send(c, &line);
	control_begin_stream(c, &stream, s);
}

/* --- queue.cat ----------------------------------------------------------- */

struct cat_state {
	struct content *content;
	bool damaged; /* it is what is left of a message */
};

static void cat_end(struct control_client *c, const struct cat_state *s,
	ssize_t n, struct err *err)
{
	if (n == 0 && s->damaged) {
		err_set(err, ERR_DAMAGED,
			"the message is damaged: this is what is left of it");
		n = -1;
	}
	if (n < 0)
		control_fail(c, err);
	else
		control_done(c, NULL);
}

static int cat_step(struct control_client *c, void *state)
{
	struct cat_state *s = state;
	char *data = malloc(CAT_STEP);
	struct err err = {.kind = ERR_SYSTEM, .text = "no memory"};
	struct buf text;
	json_t *line;
	ssize_t n = -1;

	buf_init(&text, 2 * (size_t)CAT_STEP);
	if (data != NULL)
		n = content_read(s->content, data, CAT_STEP, &err);
	if (n > 0 && base64_encode(&text, data, (size_t)n) == 0) {
		line = json_pack("{s:s%}", "data", text.data, text.len);
		control_send(c, &line);
	} else {
		cat_end(c, s, n, &err);
		n = 0;
	}
	buf_free(&text);
	free(data);
	return n > 0;
}

static void cat_free(struct control_client *c, void *state)
{
	struct cat_state *s = state;

	(void)c;
	content_free(&s->content);
	free(s);
}

void control_queue_cat(
	struct control_client *c, const struct control_request *r)
{
	static const struct control_stream stream = {
		.step = cat_step, .free = cat_free};
	struct cat_state *s = xcalloc(1, sizeof(*s));
	struct message_info info;
	struct err err;

	if (dispatch_read(control_client_dispatch(c), r->id, &info, &s->content,
		    &err) != 0) {
		free(s);
		control_fail(c, &err);
		return;
	}
	note_seen(c, r, &info);
	s->damaged = info.envelope == NULL || info.envelope->damaged;
	envelope_free(&info.envelope);
	control_begin_stream(c, &stream, s);
}

/* --- follow -------------------------------------------------------------- */

struct follow_state {
	struct control_client *client;
	bool ended; /* the dispatch has forgotten us */
};

static void on_followed(
	void *arg, uint64_t id, const char *event, const char *text, bool last)
{
	struct follow_state *s = arg;
	struct control_client *c = s->client;
	json_t *line;

	line = json_pack("{s:s,s:o,s:o,s:b}", "event", event, "id",
		control_json_id(id), "text", control_json_text(text), "last",
		last);
	control_send(c, &line);
	if (!last)
		return;
	s->ended = true;
	control_done(c, NULL);
}

static void follow_free(struct control_client *c, void *state)
{
	struct follow_state *s = state;

	if (!s->ended)
		dispatch_unfollow(control_client_dispatch(c), on_followed, s);
	free(s);
}

void control_follow(struct control_client *c, const struct control_request *r)
{
	static const struct control_stream stream = {
		.free = follow_free, .ends_at_eof = true};
	struct follow_state *s = xcalloc(1, sizeof(*s));
	struct err err;
	json_t *line;

	s->client = c;
	control_begin_stream(c, &stream, s);
	line = json_pack("{s:b}", "following", 1);
	control_send(c, &line);
	/* events may come from inside, even the last one: then *s is gone */
	if (dispatch_follow(control_client_dispatch(c), r->id, on_followed, s,
		    &err) != 0) {
		s->ended = true;
		control_fail(c, &err);
	}
}
