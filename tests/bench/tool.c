/*
 * tool.c - what the programs of tests/bench share.
 */
#include "config.h"

#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double tool_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void tool_die(const char *format, ...)
{
	const int error = errno;
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "%s%s\n", error != 0 ? ": " : "",
		error != 0 ? strerror(error) : "");
	exit(1);
}

long tool_number(char option, const char *text, long min, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end != text && *end == '\0' && value >= min && value <= max)
		return value;
	fprintf(stderr, "-%c takes a number from %ld to %ld, not \"%s\"\n",
		option, min, max, text);
	exit(2);
}

static int compare(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

double tool_percentile(double *values, size_t count, double percent)
{
	size_t place;

	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), compare);
	place = (size_t)((double)count * percent / 100);
	return values[place < count ? place : count - 1];
}
