/*
 * spool.c - gmrelayctl spool: check and export, without the daemon.
 */
#include "config.h"

#include "base/conf.h"
#include "base/util.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/spool_scan.h"
#include "ctl/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_SIZE = 64 * 1024 };

static const char *const place_names[] = {
	[SPOOL_JOURNAL] = "journal",
	[SPOOL_QUEUE] = "queue",
	[SPOOL_FAILED] = "failed",
};

struct spool_job {
	const struct ctl *ctl;
	int dir_fd;       /* export: where to; -1: check */
	bool with_failed; /* export these as well */
	size_t written;
	size_t unwritten; /* could not be exported */
	json_t *messages; /* NULL: no JSON is wanted */
	json_t *problems;
};

static const char *spool_directory(struct ctl *ctl, const struct ctl_args *args)
{
	if (args->spool != NULL)
		return args->spool;
	if (ctl_conf(ctl) != NULL)
		return ctl_conf(ctl)->spool;
	return conf_default("spool");
}

/* --- export -------------------------------------------------------------- */

static int create(int dir_fd, const char *name, struct err *err)
{
	int fd = openat(
		dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		err_errno(err, "cannot create %s", name);
	return fd;
}

static int export_envelope(int dir_fd, const char *name,
	const struct envelope *env, struct err *err)
{
	struct buf text;
	int fd, rc = -1;

	fd = create(dir_fd, name, err);
	if (fd < 0)
		return -1;
	buf_init(&text, ENVELOPE_SIZE_MAX);
	if (envelope_print(env, &text) != 0)
		err_set(err, ERR_LIMIT, "the envelope is too large");
	else if (write_full(fd, text.data, text.len) != 0 || fsync(fd) != 0)
		err_errno(err, "cannot write %s", name);
	else
		rc = 0;
	buf_free(&text);
	close(fd);
	return rc;
}

/* Copies the content to fd (-1: nowhere), which checks it. */
static int copy_content(struct content *content, int fd, struct err *err)
{
	char data[COPY_SIZE];
	ssize_t n;

	while ((n = content_read(content, data, sizeof(data), err)) > 0)
		if (fd >= 0 && write_full(fd, data, (size_t)n) != 0)
			return err_errno(err, "cannot write the message");
	return n < 0 ? -1 : 0;
}

static int export_message(struct spool_job *job, const struct envelope *env,
	struct content *content, struct err *err)
{
	char id[HEX64_SIZE], name[HEX64_SIZE + sizeof(".envelope")];
	int fd, rc;

	hex64(id, env->id);
	snprintf(name, sizeof(name), "%s.eml", id);
	fd = create(job->dir_fd, name, err);
	if (fd < 0)
		return -1;
	rc = copy_content(content, fd, err);
	if (rc == 0 && fsync(fd) != 0)
		rc = err_errno(err, "cannot write %s", name);
	close(fd);
	if (rc == 0) {
		snprintf(name, sizeof(name), "%s.envelope", id);
		rc = export_envelope(job->dir_fd, name, env, err);
		snprintf(name, sizeof(name), "%s.eml", id);
	}
	if (rc != 0)
		(void)unlinkat(job->dir_fd, name, 0);
	else
		job->written++;
	return rc;
}

/* --- what is found ------------------------------------------------------- */

static void list_message(struct spool_job *job, enum spool_place place,
	const struct envelope *env)
{
	char id[HEX64_SIZE];

	if (job->messages != NULL)
		json_array_append_new(job->messages,
			json_pack("{s:s,s:s,s:I,s:I,s:I}", "id",
				hex64(id, env->id), "place", place_names[place],
				"size", (json_int_t)env->size, "arrived_s",
				(json_int_t)env->arrived_s, "recipients",
				(json_int_t)env->rcpt_count));
}

static int on_message(void *arg, enum spool_place place,
	const struct envelope *env, struct content *content, struct err *err)
{
	struct spool_job *job = arg;

	list_message(job, place, env);
	if (job->dir_fd < 0)
		return copy_content(content, -1, err);
	if (place == SPOOL_FAILED && !job->with_failed)
		return 0;
	if (export_message(job, env, content, err) == 0)
		return 0;
	if (err->kind == ERR_DAMAGED)
		return -1;
	/* the target's trouble, not the spool's */
	job->unwritten++;
	ctl_complain(err);
	return 0;
}

static void on_problem(
	void *arg, bool damaged, const char *where, const char *text)
{
	struct spool_job *job = arg;

	if (job->ctl->json) {
		json_array_append_new(job->problems,
			json_pack("{s:b,s:s,s:s}", "damaged", damaged, "where",
				where, "text", text));
		return;
	}
	fputs(damaged ? "damaged  " : "note     ", stdout);
	text_put(stdout, where);
	fputs(": ", stdout);
	text_put(stdout, text);
	putchar('\n');
}

/* While the daemon runs the spool changes under our eyes. */
static bool daemon_runs(struct ctl *ctl)
{
	struct client *client = client_open(ctl_socket_path(ctl), NULL);
	bool runs = client != NULL;

	client_close(&client);
	return runs;
}

static json_t *result_json(
	const struct spool_job *job, const struct spool_counts *c, bool running)
{
	json_t *json = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "segments",
		(json_int_t)c->segments, "records", (json_int_t)c->records,
		"finished", (json_int_t)c->done, "journal",
		(json_int_t)c->journal, "queue", (json_int_t)c->queue, "failed",
		(json_int_t)c->failed);

	json_object_update_new(json,
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:O,s:O}", "bodies",
			(json_int_t)c->bodies, "spare", (json_int_t)c->spare,
			"notes", (json_int_t)c->notes, "damaged",
			(json_int_t)c->damaged, "exported",
			(json_int_t)job->written, "unwritten",
			(json_int_t)job->unwritten, "daemon_runs", running,
			"problems", job->problems, "messages", job->messages));
	return json;
}

static void print_result(
	const struct spool_job *job, const struct spool_counts *c, bool running)
{
	printf("journal  %zu segment%s, %zu record%s, %zu of them done with\n",
		c->segments, plural(c->segments), c->records,
		plural(c->records), c->done);
	printf("waiting  %zu in the journal, %zu in queue/\n", c->journal,
		c->queue);
	printf("failed   %zu\nbodies   %zu, %zu of them in stock or left over\n",
		c->failed, c->bodies, c->spare);
	if (job->dir_fd >= 0)
		printf("exported %zu message%s, %zu could not be written\n",
			job->written, plural(job->written), job->unwritten);
	if (running)
		puts("note     gmrelayd is running: what is under way may look "
		     "unfinished here");
	printf("%s\n", c->damaged > 0 ? "something is damaged: see above"
				      : "nothing is damaged");
}

static enum ctl_status run_scan(
	struct ctl *ctl, const struct ctl_args *args, struct spool_job *job)
{
	const struct spool_callbacks callbacks = {
		.on_message = on_message, .on_problem = on_problem, .arg = job};
	bool running = daemon_runs(ctl);
	struct spool_counts counts;
	json_t *document;
	struct err err;
	int rc;

	job->problems = json_array();
	job->messages = ctl->json ? json_array() : NULL;
	rc = spool_scan(spool_directory(ctl, args), &callbacks, &counts, &err);
	if (rc != 0) {
		ctl_fail(ctl, CTL_UNKNOWN, &err);
	} else if (ctl->json) {
		document = result_json(job, &counts, running);
		json_print(document);
		json_decref(document);
	} else {
		print_result(job, &counts, running);
	}
	json_decref(job->problems);
	json_decref(job->messages);
	if (rc != 0)
		return CTL_UNKNOWN;
	return counts.damaged > 0 || job->unwritten > 0 ? CTL_TROUBLE
							: CTL_FINE;
}

enum ctl_status ctl_spool_check(struct ctl *ctl, const struct ctl_args *args)
{
	struct spool_job job = {.ctl = ctl, .dir_fd = -1};

	return run_scan(ctl, args, &job);
}

enum ctl_status ctl_spool_export(struct ctl *ctl, const struct ctl_args *args)
{
	struct spool_job job = {.ctl = ctl, .with_failed = args->failed};
	enum ctl_status status;
	struct err err;

	if (mkdir(args->rest[0], 0700) != 0 && errno != EEXIST) {
		err_errno(&err, "cannot make %s", args->rest[0]);
		return ctl_fail(ctl, CTL_UNKNOWN, &err);
	}
	job.dir_fd = open(args->rest[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job.dir_fd < 0) {
		err_errno(&err, "cannot open %s", args->rest[0]);
		return ctl_fail(ctl, CTL_UNKNOWN, &err);
	}
	status = run_scan(ctl, args, &job);
	close(job.dir_fd);
	return status;
}
