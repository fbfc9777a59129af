/*
 * date.c - a point in time as mail writes it.
 */
#include "config.h"

#include "base/date.h"

#include "base/util.h"

#include <string.h>
#include <time.h>

enum { UTC_OFFSET_MAX_S = 24 * 60 * 60 - 1 };

/* The days 1900-01-02 and 9999-12-30: four digits of year in every zone. */
#define DATE_MIN_S (-INT64_C(2208902400))
#define DATE_MAX_S INT64_C(253402214400)

/* Writes value over the width digits at text. */
static void put_number(char *text, int width, int value)
{
	for (; width > 0; value /= 10)
		text[--width] = (char)('0' + value % 10);
}

/* now_s, or the epoch where it is out of all reason. */
static int64_t reasonable(int64_t now_s)
{
	return now_s > DATE_MAX_S || now_s < DATE_MIN_S ? 0 : now_s;
}

const char *date_print(int64_t now_s, int utc_offset_s, char *text, size_t size)
{
	static const char days[][4] = {
		"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	char date[] = "Sun, 22 Nov 2026 04:05:06 +0000";
	/* What is shown as the zone is what was added, to the minute. */
	int minutes = utc_offset_s / 60, shown;
	struct tm tm = {0};
	time_t local;

	if (utc_offset_s > UTC_OFFSET_MAX_S || utc_offset_s < -UTC_OFFSET_MAX_S)
		minutes = 0;
	if (reasonable(now_s) != now_s)
		now_s = minutes = 0;
	local = (time_t)(now_s + (int64_t)minutes * 60);
	gmtime_r(&local, &tm);
	shown = minutes < 0 ? -minutes : minutes;
	memcpy(date, days[tm.tm_wday], 3);
	put_number(date + 5, 2, tm.tm_mday);
	memcpy(date + 8, months[tm.tm_mon], 3);
	put_number(date + 12, 4, tm.tm_year + 1900);
	put_number(date + 17, 2, tm.tm_hour);
	put_number(date + 20, 2, tm.tm_min);
	put_number(date + 23, 2, tm.tm_sec);
	date[26] = minutes < 0 ? '-' : '+';
	put_number(date + 27, 2, shown / 60);
	put_number(date + 29, 2, shown % 60);
	text_join(text, size, STRINGS(date));
	return text;
}

const char *date_print_stamp(
	int64_t now_s, int milliseconds, char text[DATE_STAMP_SIZE])
{
	const time_t now = (time_t)reasonable(now_s);
	struct tm tm = {0};

	gmtime_r(&now, &tm);
	memcpy(text, "2026-11-22T04:05:06.789Z", DATE_STAMP_SIZE);
	put_number(text, 4, tm.tm_year + 1900);
	put_number(text + 5, 2, tm.tm_mon + 1);
	put_number(text + 8, 2, tm.tm_mday);
	put_number(text + 11, 2, tm.tm_hour);
	put_number(text + 14, 2, tm.tm_min);
	put_number(text + 17, 2, tm.tm_sec);
	put_number(text + 20, 3, milliseconds);
	return text;
}
