/*
 * err.h - the reason why a call failed, in words for a person.
 * Used by:    every module; low layers fill it in, the layer that decides
 *             logs it once.
 * Invariant:  reporting cannot fail: no allocation, text cut at its limit.
 */
#ifndef GMRELAY_BASE_ERR_H
#define GMRELAY_BASE_ERR_H

#define ERR_TEXT_MAX 512

enum err_kind {
	ERR_NONE,
	ERR_SYSTEM,   /* a system call failed; text ends with errno's words */
	ERR_SYNTAX,   /* input that does not follow its grammar */
	ERR_LIMIT,    /* a named limit was reached */
	ERR_CONFIG,   /* the configuration is wrong */
	ERR_ACCESS,   /* wrong owner, mode or address */
	ERR_PROTOCOL, /* a peer broke its protocol */
	ERR_DAMAGED,  /* a checksum or a file is wrong */
};

/* "system", "limit" ...: as the control protocol has it. */
const char *err_kind_name(enum err_kind kind);

struct err {
	enum err_kind kind;
	char text[ERR_TEXT_MAX];
};

/* Sets *err (NULL is fine) to kind and the formatted text. Returns -1, so that
 * a caller can write: return err_set(err, ERR_LIMIT, "..."). */
int err_set(struct err *err, enum err_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a failed system call: kind ERR_SYSTEM, and ": " with the words
 * for errno behind the text. errno is left as it was. Returns -1. */
int err_errno(struct err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
