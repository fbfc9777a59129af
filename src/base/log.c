/*
 * log.c - one line per fact: an event word, then key=value pairs.
 */
#include "config.h"

#include "base/log.h"

#include "base/date.h"
#include "base/util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* The only mutable globals of the program: where and how much to log. */
static enum log_level log_limit = LOG_LEVEL_INFO;
static bool log_syslog;
static bool log_journal;
static const char *log_role = "parent";

static const struct {
	int priority;
	const char *name;
} levels[] = {
	[LOG_LEVEL_ERR] = {LOG_ERR, "error"},
	[LOG_LEVEL_WARN] = {LOG_WARNING, "warning"},
	[LOG_LEVEL_INFO] = {LOG_INFO, "info"},
	[LOG_LEVEL_DEBUG] = {LOG_DEBUG, "debug"},
};

/* The variable is inherited by whatever a service starts; only the device and
 * inode tell whether our stderr is the stream it means (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL &&
	       sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

void log_open(enum log_level level, bool to_syslog)
{
	log_limit = level;
	log_syslog = to_syslog;
	log_journal = stderr_is_journal();
	if (to_syslog)
		openlog("gmrelayd", LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void log_set_role(const char *role)
{
	log_role = role;
}

bool log_debugging(void)
{
	return log_limit >= LOG_LEVEL_DEBUG;
}

static size_t put_prefix(char *line, size_t size, enum log_level level)
{
	char stamp[DATE_STAMP_SIZE], priority[DECIMAL_SIZE];
	struct timespec now;

	if (log_journal) {
		decimal(priority, (uint64_t)levels[level].priority);
		return text_join(line, size,
			STRINGS("<", priority, ">", log_role, ": "));
	}
	clock_gettime(CLOCK_REALTIME, &now);
	date_print_stamp(now.tv_sec, (int)(now.tv_nsec / 1000000), stamp);
	return text_join(line, size,
		STRINGS(stamp, " ", log_role, " ", levels[level].name, ": "));
}

__attribute__((format(printf, 2, 0))) static void log_write(
	enum log_level level, const char *format, va_list args)
{
	char line[LOG_LINE_MAX];
	size_t len;
	int n;

	if (level > log_limit)
		return;
	if (log_syslog) {
		n = snprintf(line, sizeof(line), "%s: ", log_role);
		vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
		syslog(levels[level].priority, "%s", line);
		return;
	}
	len = put_prefix(line, sizeof(line), level);
	n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	if (n < 0)
		return;
	len += (size_t)n < sizeof(line) - len - 1 ? (size_t)n
						  : sizeof(line) - len - 2;
	line[len++] = '\n';
	/* One write a line, so that the roles' lines never mix. A log that
	 * cannot be written must not stop the mail. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void log_err(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_ERR, format, args);
	va_end(args);
}

void log_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_WARN, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	if (!log_debugging())
		return;
	va_start(args, format);
	log_write(LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}

void bug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(LOG_LEVEL_ERR, format, args);
	va_end(args);
	abort();
}

static bool needs_quotes(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] == ' ' || text[i] == '=' || text[i] == '"')
			return true;
	return len == 0;
}

const char *log_text_n(struct log_text *out, const char *text, size_t len)
{
	const unsigned char *in = (const unsigned char *)text;
	const size_t room = sizeof(out->text) - 6; /* ..." and NUL */
	bool quote = needs_quotes(text, len);
	size_t i = 0, o = 0, n;

	if (quote)
		out->text[o++] = '"';
	while (i < len && o + 4 < room) {
		if (in[i] >= ' ' && in[i] <= '~' && in[i] != '"' &&
			in[i] != '\\') {
			out->text[o++] = text[i++];
			continue;
		}
		n = utf8_char_len(text + i, len - i);
		if (in[i] == '"') {
			out->text[o++] = '\\';
			out->text[o++] = text[i++];
			continue;
		}
		/* the octets of a longer one come here one by one */
		if (n == 0 || utf8_is_invisible(text + i, n) || in[i] == '\\') {
			o += (size_t)snprintf(out->text + o,
				sizeof(out->text) - o, "\\x%02x", in[i]);
			i++;
			continue;
		}
		memcpy(out->text + o, text + i, n);
		o += n;
		i += n;
	}
	if (i < len) {
		memcpy(out->text + o, "...", 3);
		o += 3;
	}
	if (quote)
		out->text[o++] = '"';
	out->text[o] = '\0';
	return out->text;
}

const char *log_text(struct log_text *out, const char *text)
{
	return log_text_n(out, text, strlen(text));
}
