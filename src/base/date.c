/*
 * date.c - a point in time as mail writes it.
 */
#include "config.h"

#include "base/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { UTC_OFFSET_MAX_S = 24 * 60 * 60 - 1 };

/* The days 1900-01-02 and 9999-12-30: four digits of year in every zone. */
#define DATE_MIN_S (-INT64_C(2208902400))
#define DATE_MAX_S INT64_C(253402214400)

const char *date_print(int64_t now_s, int utc_offset_s, char *text, size_t size)
{
	static const char days[][4] = {
		"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	/* What is shown as the zone is what was added, to the minute. */
	int minutes = utc_offset_s / 60, shown;
	struct tm tm = {0};
	time_t local;

	if (utc_offset_s > UTC_OFFSET_MAX_S || utc_offset_s < -UTC_OFFSET_MAX_S)
		minutes = 0;
	if (now_s > DATE_MAX_S || now_s < DATE_MIN_S)
		now_s = minutes = 0;
	local = (time_t)(now_s + (int64_t)minutes * 60);
	gmtime_r(&local, &tm);
	shown = minutes < 0 ? -minutes : minutes;
	snprintf(text, size, "%s, %02d %s %04d %02d:%02d:%02d %c%02d%02d",
		days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
		tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
		minutes < 0 ? '-' : '+', shown / 60, shown % 60);
	return text;
}
