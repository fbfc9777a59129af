/*
 * report.c - delivery status notifications.
 */
#include "config.h"

#include "relay/report.h"

#include "base/date.h"
#include "base/hash.h"
#include "base/util.h"
#include "proto/header.h"
#include "proto/rfc2047.h"
#include "relay/report_internal.h"
#include "relay/report_parts.h"
#include "relay/report_text.h"

#include <string.h>
#include <strings.h>

enum {
	MESSAGE_ID_MAX = 250,
	READ_SIZE = 4096,
};

/* The report's domain: the host's name where it is one, else the account's. */
static const char *report_domain(const struct report *r)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	const char *at = strrchr(r->from, '@');

	if (r->hostname[0] != '\0' &&
		r->hostname[strspn(r->hostname, fine)] == '\0')
		return r->hostname;
	if (at != NULL && at[1] != '\0' && at[1 + strspn(at + 1, fine)] == '\0')
		return at + 1;
	return "gmrelayd.invalid";
}

/* Reads the header block, up to its empty line or REPORT_HEADERS_MAX, then cut
 * at the end of a line. What cannot be read is as if it were not there. */
static void read_block(struct content *content, struct buf *block)
{
	char *to, *end;
	ssize_t n = 1;

	if (content == NULL || content_rewind(content, NULL) != 0)
		return;
	while (n > 0 && block->len < REPORT_HEADERS_MAX) {
		to = buf_reserve(block, READ_SIZE);
		if (to == NULL)
			break;
		n = content_read(content, to, READ_SIZE, NULL);
		if (n > 0)
			block->len += (size_t)n;
		if (n > 0 && memmem(block->data, block->len, "\r\n\r\n", 4))
			break;
	}
	if (block->len == 0)
		return;
	end = memmem(block->data, block->len, "\r\n\r\n", 4);
	if (end == NULL || end + 2 > block->data + REPORT_HEADERS_MAX) {
		if (block->len > REPORT_HEADERS_MAX)
			block->len = REPORT_HEADERS_MAX;
		end = memrchr(block->data, '\n', block->len);
		block->len = end != NULL ? (size_t)(end + 1 - block->data) : 0;
	} else {
		block->len = (size_t)(end + 2 - block->data);
	}
	block->data[block->len] = '\0';
}

/* Whether a message/rfc822 part can hold it: raw letters beyond ASCII in its
 * header would make it a message/global, which few can read. */
static bool is_returnable(const struct buf *whole)
{
	const char *end =
		whole->len > 0 ? memmem(whole->data, whole->len, "\r\n\r\n", 4)
			       : NULL;

	return end != NULL &&
	       text_is_ascii(whole->data, (size_t)(end - whole->data)) &&
	       report_is_8bit(whole->data, whole->len);
}

/* All of it, or nothing where that cannot be had or returned. */
static void read_whole(struct content *content, struct buf *whole)
{
	if (content == NULL || content_rewind(content, NULL) != 0)
		return;
	if (content_read_rest(content, whole, NULL) != 0 ||
		!is_returnable(whole))
		buf_clear(whole);
}

/* The value of the first field of that name, unfolded and cut, in value. */
static void find_field(
	const struct buf *block, const char *name, struct buf *value)
{
	size_t name_len = strlen(name), len, i;
	const char *p = block->data, *end, *line_end;
	bool ours = false;

	if (p == NULL)
		return;
	end = p + block->len;
	for (; p < end; p = line_end + 1) {
		line_end = memchr(p, '\n', (size_t)(end - p));
		if (line_end == NULL)
			break;
		len = (size_t)(line_end - p);
		if (*p != ' ' && *p != '\t') {
			if (ours)
				break;
			ours = len > name_len && p[name_len] == ':' &&
			       strncasecmp(p, name, name_len) == 0;
			i = name_len + 1;
		} else {
			i = 0;
		}
		if (ours && buf_add(value, p + i, len - i) != 0)
			break;
	}
	for (i = 0; i < value->len; i++)
		if ((unsigned char)value->data[i] < ' ' ||
			value->data[i] == 127)
			value->data[i] = ' ';
}

static void trim(struct buf *b)
{
	size_t start = 0;

	if (b->len == 0)
		return;
	while (b->len > 0 && b->data[b->len - 1] == ' ')
		b->len--;
	b->data[b->len] = '\0';
	start = strspn(b->data, " ");
	start = start < b->len ? start : b->len;
	memmove(b->data, b->data + start, b->len - start + 1);
	b->len -= start;
}

/* Cuts at a blank where the text is longer than max; a word that is longer is
 * dropped, so that no encoded word is halved. */
static void cut_words(struct buf *b, size_t max)
{
	const char *blank;

	if (b->len <= max)
		return;
	blank = memrchr(b->data, ' ', max);
	b->len = blank != NULL ? (size_t)(blank - b->data) : 0;
	b->data[b->len] = '\0';
	(void)buf_add_string(b, b->len > 0 ? " ..." : "...");
}

/* Sane enough to be repeated: "<left@right>" in printable ASCII. */
static bool message_id_is_sane(const struct buf *id)
{
	size_t i, ats = 0;

	if (id->len < 5 || id->len > MESSAGE_ID_MAX || id->data[0] != '<' ||
		id->data[id->len - 1] != '>')
		return false;
	for (i = 1; i < id->len - 1; i++) {
		if (id->data[i] <= ' ' || id->data[i] > 126 ||
			strchr("<>()\\\",;:", id->data[i]) != NULL)
			return false;
		ats += id->data[i] == '@';
	}
	return ats == 1 && id->data[1] != '@' && id->data[id->len - 2] != '@';
}

void report_original_read(struct report_original *o, struct content *content)
{
	buf_init(&o->block, REPORT_HEADERS_MAX + READ_SIZE);
	buf_init(&o->whole, REPORT_RETURNED_MAX);
	buf_init(&o->subject, REPORT_HEADERS_MAX);
	buf_init(&o->message_id, REPORT_HEADERS_MAX);
	read_block(content, &o->block);
	find_field(&o->block, "Subject", &o->subject);
	find_field(&o->block, "Message-ID", &o->message_id);
	trim(&o->subject);
	cut_words(&o->subject, REPORT_SUBJECT_MAX);
	trim(&o->message_id);
}

void report_original_free(struct report_original *o)
{
	buf_free(&o->block);
	buf_free(&o->whole);
	buf_free(&o->subject);
	buf_free(&o->message_id);
}

static int write_subject(const struct report *r,
	const struct report_original *o, struct buf *out)
{
	static const char *const words[] = {
		[REPORT_FAILED] = "Undelivered: ",
		[REPORT_DELAYED] = "Delayed: ",
		[REPORT_RELAYED] = "Relayed: ",
	};
	int rc = buf_add_string(out, words[r->kind]);

	if (o->subject.len == 0)
		return rc | buf_add_string(out, "(no subject)");
	return rc | report_encode_words(out, o->subject.data, o->subject.len);
}

int report_header(const struct report *r, const char *subject,
	const char *answered, bool eight_bit, struct buf *out)
{
	char date[64], id[HEX64_SIZE];
	int rc;

	hex64(id, r->id);
	date_print(r->now_s, 0, date, sizeof(date));
	rc = buf_addf(out, "From: \"Mail delivery on %s\" <%s>\r\n",
		report_domain(r), r->from);
	rc |= buf_addf(out, "To: <%s>\r\n", r->to);
	rc |= report_field(out, "Subject", subject);
	rc |= buf_addf(out, "Date: %s\r\nMessage-ID: <%s.report@%s>\r\n", date,
		id, report_domain(r));
	if (answered != NULL)
		rc |= buf_addf(out, "In-Reply-To: %s\r\nReferences: %s\r\n",
			answered, answered);
	rc |= buf_addf(out,
		"Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; "
		"report-type=delivery-status;\r\n"
		" boundary=\"=_%s\"\r\n"
		"%s"
		"\r\n"
		"This is a report in MIME format about a message that you "
		"sent.\r\n",
		id, eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	return rc;
}

static bool returned_is_plain(const struct report_original *o)
{
	return report_is_7bit(o->whole.data, o->whole.len);
}

static int write_header(const struct report *r, const struct report_original *o,
	struct buf *out)
{
	struct buf subject;
	int rc;

	buf_init(&subject, 8 * REPORT_SUBJECT_MAX);
	rc = write_subject(r, o, &subject);
	rc |= report_header(r, subject.data,
		message_id_is_sane(&o->message_id) ? o->message_id.data : NULL,
		!returned_is_plain(o), out);
	buf_free(&subject);
	return rc;
}

int report_part(const struct report *r, const char *type,
	const struct buf *text, struct buf *out)
{
	bool plain = report_is_7bit(text->data, text->len);
	char id[HEX64_SIZE];
	int rc;

	rc = buf_addf(out,
		"\r\n--=_%s\r\n"
		"Content-Type: %s%s\r\n"
		"Content-Transfer-Encoding: %s\r\n\r\n",
		hex64(id, r->id), type,
		strncmp(type, "text/", 5) != 0 ? ""
		: plain                        ? "; charset=us-ascii"
					       : "; charset=utf-8",
		plain ? "7bit" : "quoted-printable");
	if (text->len == 0)
		return rc;
	return rc |
	       (plain ? buf_add(out, text->data, text->len)
		      : report_quoted_printable(out, text->data, text->len));
}

int report_parts_end(const struct report *r, struct buf *out)
{
	char id[HEX64_SIZE];

	return buf_addf(out, "\r\n--=_%s--\r\n", hex64(id, r->id));
}

/* What RFC 3461 4.3 and 6.2 say is returned: everything, or the header. */
static int write_returned(const struct report *r,
	const struct report_original *o, struct buf *out)
{
	char id[HEX64_SIZE];

	if (o->whole.len > 0)
		return buf_addf(out,
			       "\r\n--=_%s\r\n"
			       "Content-Type: message/rfc822\r\n"
			       "Content-Transfer-Encoding: %s\r\n\r\n",
			       hex64(id, r->id),
			       returned_is_plain(o) ? "7bit" : "8bit") |
		       buf_add(out, o->whole.data, o->whole.len);
	if (o->block.len > 0)
		return report_part(r, "text/rfc822-headers", &o->block, out);
	return 0;
}

static int write_parts(const struct report *r, const struct report_original *o,
	struct buf *out)
{
	struct buf subject, text;
	int rc;

	buf_init(&subject, 4 * REPORT_SUBJECT_MAX);
	buf_init(&text, REPORT_SIZE_MAX);
	rc = report_decode_words(&subject, o->subject.data, o->subject.len);
	rc |= report_person_text(r, subject.data, &text);
	rc |= report_part(r, "text/plain", &text, out);
	buf_clear(&text);
	rc |= report_status_text(r, &text);
	rc |= report_part(r, "message/delivery-status", &text, out);
	rc |= write_returned(r, o, out);
	rc |= report_parts_end(r, out);
	buf_free(&text);
	buf_free(&subject);
	return rc;
}

int report_write(const struct report *r, struct buf *out, struct err *err)
{
	const size_t start = out->len;
	struct report_original original;
	int rc;

	report_original_read(&original, r->content);
	if (r->kind == REPORT_FAILED && report_returns_all(r->original))
		read_whole(r->content, &original.whole);
	rc = write_header(r, &original, out);
	rc |= write_parts(r, &original, out);
	if (rc == 0 && original.whole.len > 0 && r->size_max > 0 &&
		out->len - start > r->size_max) {
		buf_clear(&original.whole);
		out->len = start;
		rc = write_header(r, &original, out);
		rc |= write_parts(r, &original, out);
	}
	report_original_free(&original);
	if (rc != 0)
		return err_set(err, ERR_LIMIT, "the report does not fit");
	return 0;
}

static bool is_reachable(const char *text)
{
	struct address address;

	return address_parse(&address, text, strlen(text), false, NULL) == 0 &&
	       address_is_routable(&address);
}

const char *report_recipient(const struct envelope *original,
	const struct local_names *names, struct address *scratch)
{
	const char *path = original->reverse_path;
	struct address address;

	if (original->report || path[0] == '\0')
		return NULL;
	if (address_parse(&address, path, strlen(path), true, NULL) == 0 &&
		local_alias(names, &address, scratch) &&
		address_is_routable(scratch))
		return scratch->text;
	if (is_reachable(path))
		return path;
	if (is_reachable(names->postmaster))
		return names->postmaster;
	return NULL;
}

uint64_t report_id(uint64_t message_id, enum report_kind kind)
{
	uint64_t id = hash_of(message_id, kind, "report", 6);

	return id != 0 ? id : 1;
}
