/*
 * fuzz_queue.c - a message's file in queue/ or failed/: what is read of it is
 *                what stands there, to the last octet; a body that it names is
 *                never overlooked.
 *
 * Of an input the first octet chooses whether the body file is there; the rest
 * is the message's file.
 */
#include "config.h"

#include "fuzz.h"
#include "fuzz_spool.h"

#include "base/util.h"
#include "spool/queue.h"

#include <fcntl.h>
#include <unistd.h>

enum { WITH_BODY = 1, READ_MAX = 37 };

/* In the seeds, and so the name of the file. */
#define ID 0xabULL

static void write_file(const char *name, const void *data, size_t size)
{
	int fd = openat(
		fuzz_spool_dir(), name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	FUZZ_REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void on_foreign(void *arg, const char *name)
{
	(void)arg;
	/* the directories that are there */
	FUZZ_REQUIRE(
		strcmp(name, "journal") == 0 || strcmp(name, "large") == 0);
}

static void require_listed(bool with_body)
{
	const size_t files = 1 + with_body;
	uint64_t *ids;
	struct err err;

	FUZZ_REQUIRE(queue_scan(fuzz_spool_dir(), &ids, on_foreign, NULL,
			     &err) == (ssize_t)files);
	FUZZ_REQUIRE(ids[0] == ID && queue_is_file(fuzz_spool_dir(), ID));
	free(ids);
}

/* The end of the file, or the body file. */
static void require_content(struct content *content, const struct envelope *env,
	const uint8_t *data, size_t size)
{
	const uint64_t len = content_size(content);
	char part[READ_MAX];
	struct err err;
	uint64_t at = 0;
	ssize_t n;

	FUZZ_REQUIRE(len == env->size);
	FUZZ_REQUIRE(env->body_name != 0 || len <= size);
	while ((n = content_read(content, part, sizeof(part), &err)) > 0) {
		FUZZ_REQUIRE(at + (uint64_t)n <= len);
		if (env->body_name == 0)
			FUZZ_REQUIRE(memcmp(part, data + size - len + at,
					     (size_t)n) == 0);
		at += (uint64_t)n;
	}
	FUZZ_REQUIRE((n == 0) == (at == len) || err.kind == ERR_DAMAGED);
	FUZZ_REQUIRE(content_at_end(content) == (at == len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct content *content = NULL;
	struct envelope *env = NULL;
	char name[HEX64_SIZE], body[HEX64_SIZE];
	struct fuzz_spool spool;
	struct err err;
	uint64_t named;
	bool with_body;
	int rc;

	if (size < 1 || size > FUZZ_INPUT_MAX)
		return 0;
	with_body = (data[0] & WITH_BODY) != 0;
	data++;
	size--;
	fuzz_spool_open(&spool);
	write_file(hex64(name, ID), data, size);
	if (with_body)
		write_file(
			hex64(body, FUZZ_BODY), "Subject: b\r\n\r\nx\r\n", 17);
	require_listed(with_body);
	rc = queue_read(
		fuzz_spool_dir(), fuzz_spool_dir(), ID, &env, &content, &err);
	if (rc == 0) {
		FUZZ_REQUIRE(env->id == ID);
		FUZZ_REQUIRE(
			queue_peek_body(fuzz_spool_dir(), ID, &named) != 0 ||
			named == env->body_name);
		require_content(content, env, data, size);
	} else {
		FUZZ_REQUIRE(err.text[0] != '\0');
		(void)queue_peek_body(fuzz_spool_dir(), ID, &named);
	}
	content_free(&content);
	envelope_free(&env);
	FUZZ_REQUIRE(queue_remove(fuzz_spool_dir(), name, &err) == 0);
	if (with_body)
		(void)unlinkat(fuzz_spool_dir(), body, 0);
	fuzz_spool_close(&spool);
	return 0;
}
