/*
 * log.h - one line per fact: an event word, then key=value pairs.
 * Used by:    the layers that decide; parsers and the spool report by err.
 * Keys:       gmrelayd(8), section LOG: all events and keys stand there
 * Invariant:  text from strangers goes through log_text(); bodies, AUTH lines
 *             and secrets never come here.
 */
#ifndef GMRELAY_BASE_LOG_H
#define GMRELAY_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE_MAX 2048
#define LOG_TEXT_MAX 512

enum log_level {
	LOG_LEVEL_NONE, /* for tests that make errors by the million */
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Room for one escaped text; see log_text(). */
struct log_text {
	char text[LOG_TEXT_MAX];
};

/* Sets what is logged (this level and graver ones) and where: stderr, with
 * journal priority prefixes where JOURNAL_STREAM says that stderr is the
 * journal's (sd-daemon(3)), with time and level otherwise; or syslog(3). */
void log_open(enum log_level level, bool to_syslog);

/* Names this process in the lines that follow ("relay"); role is borrowed for
 * good, so give a literal. */
void log_set_role(const char *role);

bool log_debugging(void);

void log_err(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes text into *out so that it is one printable word or a "quoted string":
 * a quote gets a backslash before it; the octets of backslash, invisible
 * characters (utf8_is_invisible) and invalid UTF-8 become \xNN; cut with "..."
 * at the limit. Returns out->text. */
const char *log_text(struct log_text *out, const char *text);
const char *log_text_n(struct log_text *out, const char *text, size_t len);

/* A state that cannot be: logs and aborts; the parent starts the role again,
 * and only committed mail was promised. */
void bug(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

#endif
