/*
 * control_doctor.c - doctor's part inside the relay: a probe for each account,
 *                    one after the other.
 */
#include "config.h"

#include "base/conf.h"
#include "base/role.h"
#include "base/util.h"
#include "relay/control_json.h"
#include "relay/control_stream.h"
#include "relay/probe.h"

#include <stdlib.h>
#include <string.h>

struct doctor_state {
	struct control_client *client;
	struct probe *probe;
	char *name;  /* this account only; NULL: all */
	size_t next; /* account */
	bool any;
};

static void next_account(struct doctor_state *s);

static void on_finding(void *arg, const struct probe_finding *f)
{
	struct doctor_state *s = arg;
	struct dispatch *d = control_client_dispatch(s->client);
	struct account_info info;
	json_t *line;

	account_info(dispatch_account(d, s->next - 1), &info);
	line = json_pack("{s:{s:o,s:s,s:s,s:s,s:o,s:o}}", "finding", "account",
		control_json_text(info.name), "step", f->step, "family",
		f->family, "status", probe_status_name(f->status), "text",
		control_json_text(f->text), "advice",
		control_json_text(f->advice));
	control_send(s->client, &line);
}

static void on_done(void *arg)
{
	struct doctor_state *s = arg;

	probe_free(&s->probe);
	next_account(s);
}

static bool is_wanted(const struct doctor_state *s, size_t index)
{
	struct dispatch *d = control_client_dispatch(s->client);
	struct account_info info;

	account_info(dispatch_account(d, index), &info);
	return s->name == NULL || strcmp(s->name, info.name) == 0;
}

static int start_probe(
	struct doctor_state *s, const struct account *a, struct err *err)
{
	const struct probe_params params = {
		.base = control_client_base(s->client),
		.account = account_settings(a),
		.credential = account_credential(a),
		.hostname = control_client_role(s->client)->conf->hostname,
		.on_finding = on_finding,
		.on_done = on_done,
		.arg = s,
	};

	s->probe = probe_new(&params, err);
	return s->probe != NULL ? 0 : -1;
}

/* Goes on with the next wanted account; ends the answer behind the last one.
 * The state may be gone when it returns. */
static void next_account(struct doctor_state *s)
{
	struct dispatch *d = control_client_dispatch(s->client);
	struct probe_finding failed = {
		.step = "name", .family = "", .status = PROBE_FAIL};
	struct err err;

	while (s->next < dispatch_account_count(d)) {
		if (!is_wanted(s, s->next++))
			continue;
		s->any = true;
		if (start_probe(s, dispatch_account(d, s->next - 1), &err) == 0)
			return;
		failed.text = err.text;
		failed.advice = "Try again when the machine is less busy.";
		on_finding(s, &failed);
	}
	if (s->any) {
		control_done(s->client, NULL);
		return;
	}
	err_set(&err, ERR_CONFIG, "there is no such account");
	control_fail(s->client, &err);
}

static void doctor_free(struct control_client *c, void *state)
{
	struct doctor_state *s = state;

	probe_free(&s->probe);
	control_client_give_probe(c);
	free(s->name);
	free(s);
}

void control_doctor(struct control_client *c, const struct control_request *r)
{
	static const struct control_stream stream = {
		.free = doctor_free, .ends_at_eof = true};
	struct doctor_state *s;
	struct err err;

	if (!control_client_take_probe(c)) {
		err_set(&err, ERR_LIMIT,
			"another doctor is at work: try again in a minute");
		control_fail(c, &err);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->client = c;
	s->name = r->name != NULL ? xstrdup(r->name) : NULL;
	control_begin_stream(c, &stream, s);
	next_account(s);
}
