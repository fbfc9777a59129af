/*
 * report_words.c - encoded words (RFC 2047) of a report's subject.
 */
#include "config.h"

#include "relay/report_text.h"

#include "base/util.h"
#include "proto/rfc2047.h"
#include "proto/rfc2047_decode.h"

#include <string.h>

enum { SUBJECT_COLUMN = 22 }; /* "Subject: Undelivered: " */

int report_encode_words(struct buf *out, const char *value, size_t len)
{
	if (text_is_ascii(value, len))
		return buf_add(out, value, len);
	return rfc2047_encode(out, value, len,
		text_is_utf8(value, len) ? TEXT_UTF8 : TEXT_LATIN1,
		SUBJECT_COLUMN);
}

int report_decode_words(struct buf *out, const char *value, size_t len)
{
	bool after_word = false;
	size_t at = 0, n;
	int rc;

	while (at < len) {
		/* white space between two encoded words belongs to neither */
		n = strspn(value + at, " \t");
		n = n < len - at ? n : len - at;
		if (after_word &&
			rfc2047_word_length(value + at + n, len - at - n) > 0)
			at += n;
		n = rfc2047_word_length(value + at, len - at);
		rc = n > 0 ? rfc2047_decode(out, value + at, n) : 0;
		if (rc < 0)
			return -1;
		if (rc == 0 && buf_add(out, value + at, 1) != 0)
			return -1;
		after_word = rc > 0;
		at += rc > 0 ? n : 1;
	}
	return 0;
}
