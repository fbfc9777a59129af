/*
 * util.h - clocks, randomness, numbers, UTF-8, base64, whole reads and writes.
 * Used by:    every layer.
 */
#ifndef GMRELAY_BASE_UTIL_H
#define GMRELAY_BASE_UTIL_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Hex digits of an id, key or name, and room for them with their NUL. */
#define HEX64_LEN  16
#define HEX64_SIZE (HEX64_LEN + 1)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Seconds since 1970 by the wall clock: for Date lines and people only. */
int64_t clock_wall_s(void);

/* Milliseconds by CLOCK_BOOTTIME: for everything that waits. Never jumps. */
int64_t clock_boot_ms(void);

/* 64 random bits, never 0. Aborts where the kernel has none. */
uint64_t random_u64(void);

/* A number in [0, limit), limit > 0. For jitter, not for secrets. */
uint32_t random_below(uint32_t limit);

/* Writes value as 16 lower-case hex digits. Returns text. */
const char *hex64(char text[HEX64_SIZE], uint64_t value);

/* Reads exactly 16 lower-case hex digits at text. Returns 0 or -1. */
int hex64_parse(const char *text, uint64_t *value_out);

/* Room for any value in decimal with its NUL. */
#define DECIMAL_SIZE 21

/* Writes value in decimal digits. Returns text. */
const char *decimal(char text[DECIMAL_SIZE], uint64_t value);

/* The ending of a regular noun behind that number: "s", but for one. */
const char *plural(uint64_t number);

/* Writes STRINGS() to text, one behind the other, cut to size - 1 octets; size
 * is not 0. Returns how many they are then. */
size_t text_join(char *text, size_t size, const char *const *strings);

/* Length of the character at text: 1 for ASCII, 2 to 4 for valid UTF-8 (RFC
 * 3629), 0 where it is neither, is cut at len or is a C1 control character. */
size_t utf8_char_len(const char *text, size_t len);

/* True where no octet is above 127. */
bool string_is_ascii(const char *text);

/* True for a character (of len octets, by utf8_char_len) that shows nothing and
 * can make what is around it look like something else: Unicode's categories Cc,
 * Cf, Zl and Zp, so control characters, changes of direction, line ends. */
bool utf8_is_invisible(const char *text, size_t len);

/* Memory or death: for small things without which nothing can go on. */
void *xcalloc(size_t count, size_t size);
char *xstrdup(const char *text);

/* Overwrites memory that held a secret; never optimised away. */
void wipe(void *data, size_t len);

/* Base64 (RFC 4648 section 4, padded) of data, appended to *out. Returns 0, or
 * -1 when out is full. */
int base64_encode(struct buf *out, const void *data, size_t len);

/* Decodes text, appended to *out; white space is not accepted. Returns 0, or -1
 * for bad base64 or a full buffer (out unchanged). */
int base64_decode(struct buf *out, const char *text, size_t len);

/* Write or read all of len bytes (EINTR and short transfers go on). Return 0;
 * -1 with errno set. pread_full returns the bytes read, fewer only at the end
 * of the file. */
int write_full(int fd, const void *data, size_t len);
int pwrite_full(int fd, const void *data, size_t len, off_t offset);
ssize_t pread_full(int fd, void *data, size_t len, off_t offset);

/* Descriptors 0 to 2 that are closed become /dev/null, so that no file or
 * socket that is opened later is what others write their errors to. Returns 0;
 * -1 with errno set. */
int fill_stdio(void);

#endif
