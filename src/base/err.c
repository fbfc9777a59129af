/*
 * err.c - the reason why a call failed, in words for a person.
 */
#include "config.h"

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_kind_name(enum err_kind kind)
{
	static const char *const names[] = {
		[ERR_NONE] = "unknown",
		[ERR_SYSTEM] = "system",
		[ERR_SYNTAX] = "syntax",
		[ERR_LIMIT] = "limit",
		[ERR_CONFIG] = "config",
		[ERR_ACCESS] = "access",
		[ERR_PROTOCOL] = "protocol",
		[ERR_DAMAGED] = "damaged",
	};

	if ((size_t)kind >= sizeof(names) / sizeof(names[0]))
		kind = ERR_NONE;
	return names[kind];
}

int err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
	va_list args;

	if (err == NULL)
		return -1;
	err->kind = kind;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -1;
}

int err_errno(struct err *err, const char *format, ...)
{
	int saved = errno;
	va_list args;
	size_t len;

	if (err == NULL)
		return -1;
	err->kind = ERR_SYSTEM;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s",
		strerror(saved));
	errno = saved;
	return -1;
}
