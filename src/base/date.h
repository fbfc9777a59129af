/*
 * date.h - a point in time as mail writes it.
 * Used by:    proto/header, receiver/intake, relay/report*, sendmail/message,
 *             base/log.
 * Pure:       no clock; the time comes in.
 */
#ifndef GMRELAY_BASE_DATE_H
#define GMRELAY_BASE_DATE_H

#include <stddef.h>
#include <stdint.h>

/* "Sun, 22 Nov 2026 04:05:06 +0000" (RFC 5322 3.3). Returns text. */
const char *date_print(
	int64_t now_s, int utc_offset_s, char *text, size_t size);

#define DATE_STAMP_SIZE sizeof("2026-11-22T04:05:06.789Z")

/* "2026-11-22T04:05:06.789Z" (RFC 3339), to the millisecond. Returns text. */
const char *date_print_stamp(
	int64_t now_s, int milliseconds, char text[DATE_STAMP_SIZE]);

#endif
