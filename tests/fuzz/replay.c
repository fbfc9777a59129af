/*
 * replay.c - runs a fuzz target over its corpus, for make check: each file, and
 *            each of its beginnings, since that is where input ends in
 * practice.
 *
 * Usage: fuzz_NAME [FILE...]; without any, all of corpus/NAME. Speaks TAP.
 */
#include "config.h"

#include "fuzz.h"

#include <dirent.h>

enum {
	PATH_SIZE = 4096,
	FILES_MAX = 1000,
	PREFIXES_MAX = 2000, /* of longer files, the first ones */
};

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *data = malloc(FUZZ_INPUT_MAX), *copy;
	size_t len, n;

	FUZZ_REQUIRE(file != NULL && data != NULL);
	len = fread(data, 1, FUZZ_INPUT_MAX, file);
	fclose(file);
	for (n = 0; n <= len; n = n < PREFIXES_MAX || n == len ? n + 1 : len) {
		copy = fuzz_copy(data, n);
		LLVMFuzzerTestOneInput((const uint8_t *)copy, n);
		free(copy);
	}
	free(data);
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int run_corpus(const char *program)
{
	const char *top = getenv("top_srcdir");
	const char *name = strstr(program, "fuzz_");
	char folder[PATH_SIZE], path[2 * PATH_SIZE];
	struct dirent **files = NULL;
	int count, i;

	FUZZ_REQUIRE(name != NULL);
	while (strstr(name + 1, "fuzz_") != NULL)
		name = strstr(name + 1, "fuzz_");
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s",
		top != NULL ? top : ".", name + strlen("fuzz_"));
	count = scandir(folder, &files, is_file, alphasort);
	if (count <= 0 || count > FILES_MAX) {
		printf("Bail out! no corpus in %s\n", folder);
		return 1;
	}
	printf("1..%d\n", count);
	for (i = 0; i < count; i++) {
		/* known before it breaks */
		printf("# %s\n", files[i]->d_name);
		fflush(stdout);
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]->d_name);
		run_file(path);
		printf("ok %d - %s\n", i + 1, files[i]->d_name);
		free(files[i]);
	}
	free(files);
	return 0;
}

int main(int argc, char **argv)
{
	int i;

	if (argc == 1)
		return run_corpus(argv[0]);
	for (i = 1; i < argc; i++)
		run_file(argv[i]);
	return 0;
}
