/*
 * tool.h - what the programs of tests/bench share.
 * Used by:    load, sink, disk.
 */
#ifndef GMRELAY_BENCH_TOOL_H
#define GMRELAY_BENCH_TOOL_H

#include <stddef.h>

/* Header field by which load and sink know a message, and its longest value. */
#define TOOL_ID_FIELD "X-Bench-Id: "
#define TOOL_ID_MAX   20

/* Seconds by CLOCK_MONOTONIC, the same for all processes of this machine. */
double tool_now_s(void);

/* Says on stderr what is wrong, with errno's text where errno is set, and ends
 * the program with status 1. */
void tool_die(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* An option's value: a whole number from min to max, or the program ends with
 * status 2. */
long tool_number(char option, const char *text, long min, long max);

/* Sorts count values and returns the one below which percent of them lie; 0
 * where there are none. */
double tool_percentile(double *values, size_t count, double percent);

#endif
