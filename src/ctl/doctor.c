/*
 * doctor.c - gmrelayctl doctor: the local part, then the daemon's.
 */
#include "config.h"

#include "base/util.h"
#include "ctl/client.h"
#include "ctl/finding.h"
#include "ctl/json.h"
#include "ctl/text.h"

#include <stdio.h>
#include <string.h>

enum {
	/* Between two findings: the longest wait of a connection. */
	DOCTOR_STEP_MS = 6 * 60 * 1000,
	INDENT = 9,
};

static const struct {
	const char *name;
	const char *label; /* for people */
} statuses[] = {
	[FINDING_OK] = {"ok", "ok"},
	[FINDING_WARN] = {"warn", "WARNING"},
	[FINDING_FAIL] = {"fail", "FAILED"},
	[FINDING_UNKNOWN] = {"unknown", "unknown"},
};

void finding_tell(struct findings *f, enum finding_status status,
	const char *where, const char *text, const char *advice)
{
	json_t *item;
	char line[2048];

	f->counts[status]++;
	if (advice == NULL || status == FINDING_OK)
		advice = "";
	if (f->ctl->json) {
		item = json_pack("{s:s,s:s,s:s,s:s}", "status",
			statuses[status].name, "where", where, "text", text,
			"advice", advice);
		json_array_append_new(f->list, item);
		return;
	}
	printf("%-8s ", statuses[status].label);
	snprintf(line, sizeof(line), "%s: %s", where, text);
	text_put(stdout, line);
	putchar('\n');
	if (advice[0] != '\0')
		text_put_wrapped(stdout, advice, INDENT, f->ctl->width);
	fflush(stdout);
}

/* --- the daemon's part --------------------------------------------------- */

static enum finding_status status_of(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT_OF(statuses); i++)
		if (strcmp(statuses[i].name, name) == 0)
			return (enum finding_status)i;
	return FINDING_UNKNOWN;
}

static void tell_remote(struct findings *f, const json_t *finding)
{
	const char *family = json_text(finding, "family");
	char where[256];

	snprintf(where, sizeof(where), "%s: %s%s%s",
		json_text(finding, "account"), family,
		family[0] != '\0' ? " " : "", json_text(finding, "step"));
	finding_tell(f, status_of(json_text(finding, "status")), where,
		json_text(finding, "text"), json_text(finding, "advice"));
}

static void check_upstream(struct findings *f, struct client *client)
{
	bool last = false;
	json_t *object;
	struct err err;

	if (client_ask(client, "doctor", NULL, &err) != 0) {
		finding_tell(f, FINDING_UNKNOWN, "upstream", err.text, NULL);
		return;
	}
	while (!last) {
		object = client_next(client, DOCTOR_STEP_MS, &last, &err);
		if (object == NULL) {
			finding_tell(
				f, FINDING_UNKNOWN, "upstream", err.text, NULL);
			return;
		}
		if (json_object_get(object, "finding") != NULL)
			tell_remote(f, json_object_get(object, "finding"));
		json_decref(object);
	}
}

static void check_account(struct findings *f, const json_t *account)
{
	const char *state = json_text(account, "state");
	const char *reason = json_text(account, "reason");
	bool active = strcmp(state, "active") == 0;
	char where[128], text[128];

	snprintf(
		where, sizeof(where), "account %s", json_text(account, "name"));
	snprintf(text, sizeof(text), "%s%s", state,
		json_flag(account, "backing_off") ? ", no connection" : "");
	finding_tell(f,
		active                       ? FINDING_OK
		: strcmp(state, "held") == 0 ? FINDING_FAIL
					     : FINDING_WARN,
		where, text,
		reason[0] != '\0' ? reason
		: active          ? NULL
				  : "Wait, or use gmrelayctl account resume.");
}

static void check_queue(struct findings *f, const json_t *queue)
{
	long long unseen = (long long)json_number(queue, "failed_unseen");
	char text[160];

	snprintf(text, sizeof(text), "%lld waiting, %lld held, %lld failed",
		(long long)json_number(queue, "queued"),
		(long long)json_number(queue, "held"),
		(long long)json_number(queue, "failed"));
	finding_tell(f, unseen > 0 ? FINDING_WARN : FINDING_OK, "queue", text,
		"Messages failed that nobody has looked at: gmrelayctl queue "
		"list --failed shows them with the reason, gmrelayctl queue "
		"retry or delete ends the matter.");
}

static void check_state(struct findings *f, const json_t *status)
{
	const json_t *accounts = json_object_get(status, "accounts");
	const char *version = json_text(status, "version");
	char text[128];
	size_t i;

	snprintf(text, sizeof(text), "gmrelayd %s answers", version);
	finding_tell(f,
		strcmp(version, PACKAGE_VERSION) == 0 ? FINDING_OK
						      : FINDING_WARN,
		"daemon", text,
		"It is of another version than this gmrelayctl: restart it "
		"after an update.");
	check_queue(f, json_object_get(status, "queue"));
	for (i = 0; i < json_array_size(accounts); i++)
		check_account(f, json_array_get(accounts, i));
}

/* The daemon refuses a client where it has too many: it does answer. */
static void tell_no_status(struct findings *f, const struct err *err)
{
	if (err->kind == ERR_LIMIT)
		finding_tell(f, FINDING_UNKNOWN, "daemon", err->text,
			"It runs, and serves no more clients at a time: end "
			"programs that hold its control socket open (`ss -xp` "
			"shows them), or wait a minute, after which it closes "
			"idle ones by itself.");
	else
		finding_tell(f, FINDING_FAIL, "daemon", err->text,
			"It holds its socket but does not answer: look at its "
			"log, and restart it.");
}

static void doctor_remote(struct findings *f)
{
	struct client *client;
	json_t *status;
	struct err err;

	client = client_open(ctl_socket_path(f->ctl), &err);
	if (client == NULL) {
		finding_tell(f,
			err.kind == ERR_ACCESS ? FINDING_UNKNOWN : FINDING_FAIL,
			"daemon", err.text,
			"Without the daemon the way to Gmail cannot be looked "
			"at.");
		return;
	}
	status = client_call(client, "status", NULL, &err);
	if (status == NULL) {
		tell_no_status(f, &err);
	} else {
		check_state(f, status);
		check_upstream(f, client);
	}
	json_decref(status);
	client_close(&client);
}

/* --- the end ------------------------------------------------------------- */

static void print_summary(const struct findings *f)
{
	const size_t warnings = f->counts[FINDING_WARN];

	if (f->counts[FINDING_FAIL] > 0)
		printf("\n%zu failed, %zu warning%s: see above\n",
			f->counts[FINDING_FAIL], warnings, plural(warnings));
	else if (f->counts[FINDING_UNKNOWN] > 0)
		printf("\nnothing failed, but %zu could not be looked at; "
		       "%zu warning%s\n",
			f->counts[FINDING_UNKNOWN], warnings, plural(warnings));
	else
		printf("\nall well, %zu warning%s\n", warnings,
			plural(warnings));
}

static void print_document(const struct findings *f)
{
	json_t *document = json_pack("{s:O,s:I,s:I,s:I,s:I}", "findings",
		f->list, "ok", (json_int_t)f->counts[FINDING_OK], "warn",
		(json_int_t)f->counts[FINDING_WARN], "fail",
		(json_int_t)f->counts[FINDING_FAIL], "unknown",
		(json_int_t)f->counts[FINDING_UNKNOWN]);

	json_print(document);
	json_decref(document);
}

enum ctl_status ctl_doctor(struct ctl *ctl, const struct ctl_args *args)
{
	struct findings findings = {.ctl = ctl, .list = json_array()};

	(void)args;
	doctor_local(&findings);
	doctor_remote(&findings);
	if (ctl->json)
		print_document(&findings);
	else
		print_summary(&findings);
	json_decref(findings.list);
	if (findings.counts[FINDING_FAIL] > 0)
		return CTL_TROUBLE;
	return findings.counts[FINDING_UNKNOWN] > 0 ? CTL_UNKNOWN : CTL_FINE;
}
