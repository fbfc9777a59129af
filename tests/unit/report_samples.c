/*
 * report_samples.c - writes each sample report to DIR/NAME.eml, for
 *                    report_parses.py.
 */
#include "config.h"

#include "report_sample.h"

#include "relay/report_digest.h"

#include <stdio.h>

static int write_file(
	const char *dir, const char *name, const struct buf *bytes)
{
	char path[4096];
	FILE *file;
	int rc;

	snprintf(path, sizeof(path), "%s/%s.eml", dir, name);
	file = fopen(path, "w");
	if (file == NULL)
		return -1;
	rc = fwrite(bytes->data, 1, bytes->len, file) != bytes->len;
	return rc | (fclose(file) != 0);
}

int main(int argc, char **argv)
{
	/* messages that are named in digests: one, some, all */
	static const size_t named[] = {1, 20, DIGEST_MESSAGES_MAX};
	char name[32];
	struct buf out;
	size_t i;
	int rc = 0;

	if (argc != 2)
		return 2;
	buf_init(&out, REPORT_SIZE_MAX);
	for (i = 0; i < report_sample_count && rc == 0; i++) {
		snprintf(name, sizeof(name), "report-%zu", i);
		rc = report_sample_write(&report_samples[i], &out) |
		     write_file(argv[1], name, &out);
		buf_clear(&out);
	}
	for (i = 0; i < sizeof(named) / sizeof(named[0]) && rc == 0; i++) {
		snprintf(name, sizeof(name), "digest-%zu", named[i]);
		rc = report_sample_digest(named[i], 10 * named[i], &out) |
		     write_file(argv[1], name, &out);
		buf_clear(&out);
	}
	buf_free(&out);
	return rc != 0;
}
