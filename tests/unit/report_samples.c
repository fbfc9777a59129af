/*
 * report_samples.c - writes each sample report to DIR/NUMBER.eml, for
 *                    report_parses.py.
 */
#include "config.h"

#include "report_sample.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	char path[4096];
	struct buf out;
	FILE *file;
	size_t i;
	int rc = 0;

	if (argc != 2)
		return 2;
	for (i = 0; i < report_sample_count && rc == 0; i++) {
		snprintf(path, sizeof(path), "%s/%zu.eml", argv[1], i);
		buf_init(&out, REPORT_SIZE_MAX);
		file = fopen(path, "w");
		if (file == NULL)
			return 1;
		rc = report_sample_write(&report_samples[i], &out) != 0 ||
		     fwrite(out.data, 1, out.len, file) != out.len;
		rc |= fclose(file) != 0;
		buf_free(&out);
	}
	return rc;
}
