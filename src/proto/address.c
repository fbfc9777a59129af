/*
 * address.c - mailbox addresses: paths of the envelope, mailboxes of headers.
 *
 * What comes out is built anew from the parts that were understood, never
 * copied: so it is canonical, and nothing in it can end a path or a line.
 */
#include "config.h"

#include "proto/address.h"

#include "base/quirk.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	LABEL_MAX = 63, /* RFC 1035 section 2.3.4 */
	/* "IPv6:" and the longest text inet_pton(3) takes */
	LITERAL_MAX = 5 + INET6_ADDRSTRLEN,
};

/* What the parts are collected in: the local part without quotes, the domain
 * as it goes out. */
struct parts {
	char local[ADDRESS_LOCAL_MAX];
	size_t local_len;
	bool is_dot_string; /* it was written as one, so it is one */
	bool qualified;
	char domain[ADDRESS_DOMAIN_MAX];
	size_t domain_len;
	unsigned quirks;
};

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(const char *a, const char *b, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 5322 3.2.3, and what RFC 6531 3.3 adds (text is valid UTF-8 by then). */
static bool is_atext(char c)
{
	return is_alnum(c) || (unsigned char)c >= 0x80 ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Whether all of it is printable ASCII or valid UTF-8. */
static int check_characters(const char *text, size_t len, struct err *err)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = (unsigned char)text[i] < 0x80
			    ? 1
			    : utf8_char_len(text + i, len - i);
		if (n == 0)
			return err_set(err, ERR_SYNTAX,
				"the address is not valid UTF-8");
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return err_set(err, ERR_SYNTAX,
				"the address holds a control character");
	}
	return 0;
}

/* Dot-string of RFC 5321 4.1.2: atoms with single dots between them. */
static bool is_dot_string(const char *text, size_t len)
{
	bool atom = false; /* the last byte belonged to one */
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] != '.' && !is_atext(text[i]))
			return false;
		if (text[i] == '.' && !atom)
			return false;
		atom = text[i] != '.';
	}
	return atom;
}

static int add_local(struct parts *parts, char c, struct err *err)
{
	if (parts->local_len == ADDRESS_LOCAL_MAX)
		return err_set(err, ERR_LIMIT,
			"the part before the @ is longer than %d bytes",
			ADDRESS_LOCAL_MAX);
	parts->local[parts->local_len++] = c;
	return 0;
}

/* Takes a quoted-string. *used_out is its length with its quotes. */
static int take_quoted(struct parts *parts, const char *text, size_t len,
	size_t *used_out, struct err *err)
{
	size_t i;

	for (i = 1; i < len && text[i] != '"'; i++) {
		if (text[i] == '\\' && ++i == len)
			break;
		/* quoted-pairSMTP is for ASCII; a UTF-8 character behind the
		 * backslash can mean only itself */
		if (add_local(parts, text[i], err) != 0)
			return -1;
	}
	if (i >= len)
		return err_set(err, ERR_SYNTAX,
			"a quote in the address is not closed");
	*used_out = i + 1;
	return 0;
}

static int take_dot_string(struct parts *parts, const char *text, size_t len,
	size_t *used_out, struct err *err)
{
	size_t i;

	for (i = 0; i < len && text[i] != '@'; i++)
		if (add_local(parts, text[i], err) != 0)
			return -1;
	if (i == 0)
		return err_set(err, ERR_SYNTAX,
			"nothing stands before the @ of the address");
	if (!is_dot_string(text, i))
		return err_set(err, ERR_SYNTAX,
			"a character before the @ of the address, or the place "
			"of a dot, needs quotes");
	parts->is_dot_string = true;
	*used_out = i;
	return 0;
}

/* An address literal (RFC 5321 4.1.3): "[1.2.3.4]", "[IPv6:::1]". */
static bool is_literal(const char *text, size_t len)
{
	static const char tag[] = "IPv6:";
	const size_t tag_len = sizeof(tag) - 1;
	unsigned char address[sizeof(struct in6_addr)];
	char inside[LITERAL_MAX + 1];

	if (len < 3 || len - 2 > LITERAL_MAX || text[0] != '[' ||
		text[len - 1] != ']')
		return false;
	memcpy(inside, text + 1, len - 2);
	inside[len - 2] = '\0';
	if (len - 2 > tag_len && same(inside, tag, tag_len))
		return inet_pton(AF_INET6, inside + tag_len, address) == 1;
	return inet_pton(AF_INET, inside, address) == 1;
}

/* One label of a domain. An underscore passes: it is found in the names of
 * hosts, though not in the RFC. The length of a label in UTF-8 says little
 * about that of its A-label (RFC 5890 4.2), so it is left to the domain's. */
static bool is_label(const char *text, size_t len)
{
	bool ascii = true;
	size_t i;

	if (len == 0 || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80)
			ascii = false;
		else if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '_')
			return false;
	}
	return !ascii || len <= LABEL_MAX;
}

bool address_is_host(const char *text, size_t len)
{
	size_t from = 0, i;

	if (is_literal(text, len))
		return true;
	if (len == 0 || len > ADDRESS_DOMAIN_MAX)
		return false;
	for (i = 0; i <= len; i++) {
		if (i < len && text[i] != '.') {
			if (text[i] == '_' || (unsigned char)text[i] >= 0x80)
				return false;
			continue;
		}
		if (!is_label(text + from, i - from))
			return false;
		from = i + 1;
	}
	return true;
}

static int take_domain(
	struct parts *parts, const char *text, size_t len, struct err *err)
{
	size_t from = 0, i;
	bool name = true;

	if (len > 1 && text[len - 1] == '.') {
		parts->quirks |= QUIRK_BIT(QUIRK_TRAILING_DOT);
		len--;
	}
	if (len > ADDRESS_DOMAIN_MAX)
		return err_set(err, ERR_LIMIT,
			"the domain is longer than %d bytes",
			ADDRESS_DOMAIN_MAX);
	for (i = 0; i <= len && name; i++)
		if (i == len || text[i] == '.') {
			name = is_label(text + from, i - from);
			from = i + 1;
		}
	if (!name && !is_literal(text, len))
		return err_set(err, ERR_SYNTAX,
			"what stands behind the @ is no domain");
	memcpy(parts->domain, text, len);
	parts->domain_len = len;
	return 0;
}

/* Writes the local part with quotes where it must have them. */
static int put_local(
	struct address *out, const struct parts *parts, struct err *err)
{
	char *to = out->text;
	size_t i;

	if (parts->is_dot_string ||
		is_dot_string(parts->local, parts->local_len)) {
		memcpy(to, parts->local, parts->local_len);
		out->local_len = parts->local_len;
		return 0;
	}
	*to++ = '"';
	for (i = 0; i < parts->local_len; i++) {
		if (parts->local[i] == '"' || parts->local[i] == '\\')
			*to++ = '\\';
		*to++ = parts->local[i];
	}
	*to++ = '"';
	out->local_len = (size_t)(to - out->text);
	if (out->local_len > ADDRESS_LOCAL_MAX)
		return err_set(err, ERR_LIMIT,
			"the part before the @ is longer than %d bytes",
			ADDRESS_LOCAL_MAX);
	return 0;
}

static int put_address(
	struct address *out, const struct parts *parts, struct err *err)
{
	size_t len, i;

	memset(out, 0, sizeof(*out));
	out->quirks = parts->quirks;
	if (put_local(out, parts, err) != 0) {
		memset(out, 0, sizeof(*out));
		return -1;
	}
	len = out->local_len;
	if (parts->qualified) {
		out->text[len++] = '@';
		memcpy(out->text + len, parts->domain, parts->domain_len);
		len += parts->domain_len;
	}
	for (i = 0; i < len; i++)
		if ((unsigned char)out->text[i] >= 0x80)
			out->utf8 = true;
	return 0;
}

int address_parse(struct address *out, const char *text, size_t len,
	bool unqualified_ok, struct err *err)
{
	struct parts parts = {.local_len = 0};
	size_t used = 0;
	int rc;

	if (check_characters(text, len, err) != 0)
		return -1;
	if (len == 0)
		return err_set(err, ERR_SYNTAX, "the address is missing");
	if (*text == '"')
		rc = take_quoted(&parts, text, len, &used, err);
	else
		rc = take_dot_string(&parts, text, len, &used, err);
	if (rc != 0)
		return -1;
	parts.qualified = used < len;
	if (!parts.qualified)
		parts.quirks |= QUIRK_BIT(QUIRK_UNQUALIFIED);
	if (!parts.qualified && !unqualified_ok)
		return err_set(err, ERR_SYNTAX,
			"%.*s needs a domain, as in %.*s@example.com",
			(int)used, text, (int)used, text);
	if (parts.qualified && text[used] != '@')
		return err_set(err, ERR_SYNTAX,
			"an @ must follow the quotes of the address");
	if (parts.qualified &&
		take_domain(&parts, text + used + 1, len - used - 1, err) != 0)
		return -1;
	return put_address(out, &parts, err);
}

static bool is_top_domain(const char *domain, size_t len, const char *top)
{
	size_t n = strlen(top);

	return len == n ? same(domain, top, n)
			: len > n && domain[len - n - 1] == '.' &&
				  same(domain + len - n, top, n);
}

bool address_is_routable(const struct address *address)
{
	/* RFC 2606 and 6761, RFC 8375, and what routers and hosts are called
	 * in houses */
	static const char *const tops[] = {"local", "localdomain", "localhost",
		"internal", "lan", "home.arpa", "invalid", "test", "example"};
	const char *domain = address->text + address->local_len;
	const char *dot;
	size_t len, i;

	if (*domain != '@')
		return false;
	domain++;
	len = strlen(domain);
	dot = strrchr(domain, '.');
	/* no top-level domain is a number: that is an IPv4 address */
	if (*domain == '[' || dot == NULL ||
		strspn(dot + 1, "0123456789") == strlen(dot + 1))
		return false;
	for (i = 0; i < COUNT_OF(tops); i++)
		if (is_top_domain(domain, len, tops[i]))
			return false;
	return true;
}

bool address_is_localhost(const struct address *address)
{
	const char *domain = address->text + address->local_len;

	return address_same(domain, "@localhost") ||
	       address_same(domain, "@localhost.localdomain");
}

bool address_same(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && same(a, b, len);
}

/* --- paths */

struct span {
	const char *text;
	size_t len;
};

/* The place, at or after from, of a byte of set, which has one or two, that
 * stands outside quotes; len where there is none. A '<' that begins a
 * parameter's value ("AUTH=<>") opens no path and is passed over. */
static size_t find(const struct span *in, size_t from, const char *set)
{
	bool quoted = false;
	char c;
	size_t i;

	for (i = from; i < in->len; i++) {
		c = in->text[i];
		if (c == '"')
			quoted = !quoted;
		else if (quoted && c == '\\')
			i++;
		else if (!quoted && c != '\0' && (c == set[0] || c == set[1]) &&
			 !(c == '<' && i > 0 && in->text[i - 1] == '='))
			return i;
	}
	return in->len;
}

static struct span trimmed(const char *text, size_t len)
{
	struct span span = {text, len};

	while (span.len > 0 && is_space(*span.text)) {
		span.text++;
		span.len--;
	}
	while (span.len > 0 && is_space(span.text[span.len - 1]))
		span.len--;
	return span;
}

/* "<path>", to the letter. Returns how far it reaches, 0 where it is none. */
static size_t locate_strictly(const struct span *in, struct span *path)
{
	size_t close;

	if (in->len == 0 || in->text[0] != '<')
		return 0;
	close = find(in, 1, ">");
	if (close == in->len)
		return 0;
	*path = (struct span){in->text + 1, close - 1};
	return close + 1;
}

/* A path without an opening bracket. Returns how far it reaches. */
static size_t locate_bare(const struct span *in, size_t from, struct span *path)
{
	size_t end = find(in, from, " \t");

	*path = (struct span){in->text + from, end - from};
	while (path->len > 0 && path->text[path->len - 1] == '>')
		path->len--;
	return path->len > 0 ? end : 0;
}

/* The path in whatever devices send; see address_parse_path(). Returns how far
 * it reaches. */
static size_t locate(const struct span *in, struct span *path, unsigned *quirks)
{
	size_t from, end, opened = 0, closed = 0;

	for (from = 0; from < in->len && is_space(in->text[from]);)
		from++;
	if (from > 0)
		*quirks |= QUIRK_BIT(QUIRK_STRAY_SPACE);
	end = find(in, from, "<");
	if (end == in->len) {
		*quirks |= QUIRK_BIT(QUIRK_NO_BRACKETS);
		return locate_bare(in, from, path);
	}
	if (end > from)
		*quirks |= QUIRK_BIT(QUIRK_NAME_IN_PATH);
	for (; end < in->len && in->text[end] == '<'; opened++) {
		from = end + 1;
		end = find(in, from, "<>");
	}
	if (end == in->len)
		end = find(in, from, " \t");
	*path = trimmed(in->text + from, end - from);
	if (path->len < end - from)
		*quirks |= QUIRK_BIT(QUIRK_STRAY_SPACE);
	for (; end < in->len && in->text[end] == '>'; closed++)
		end++;
	if (closed == 0)
		*quirks |= QUIRK_BIT(QUIRK_NO_BRACKETS);
	if (opened > 1 || closed > 1)
		*quirks |= QUIRK_BIT(QUIRK_DOUBLED_BRACKETS);
	return end;
}

/* Drops a display name inside the brackets: <"Front door" cam@example.com>. */
static int drop_name(struct span *path, unsigned *quirks, struct err *err)
{
	size_t gap, at;

	for (gap = find(path, 0, " \t"); gap < path->len;
		gap = find(path, 0, " \t")) {
		at = find(path, 0, "@");
		/* words without an address are no name of a user */
		if (at < gap || at == path->len)
			return err_set(err, ERR_SYNTAX,
				"a space stands in the address");
		*path = trimmed(path->text + gap, path->len - gap);
		*quirks |= QUIRK_BIT(QUIRK_NAME_IN_PATH);
	}
	return 0;
}

/* Drops "@a,@b:" (RFC 5321 4.1.2 A-d-l, appendix C). */
static int drop_route(struct span *path, struct err *err)
{
	struct parts scratch = {.quirks = 0};
	const char *p = path->text, *end = path->text + path->len;
	size_t n;
	bool literal;

	while (p < end && *p == '@') {
		p++;
		literal = false;
		for (n = 0; p + n < end && (literal || !strchr(",:", p[n]));
			n++)
			literal = p[n] == '[' || (literal && p[n] != ']');
		if (take_domain(&scratch, p, n, err) != 0)
			return -1;
		p += n;
		if (p == end || (*p == ',' && (p + 1 == end || p[1] != '@')))
			return err_set(err, ERR_SYNTAX,
				"the source route of the address has no end");
		if (*p++ == ':')
			break;
	}
	*path = (struct span){p, (size_t)(end - p)};
	return 0;
}

static int parse_inside(struct address *out, struct span path, bool null_ok,
	bool tolerant, struct err *err)
{
	static const char postmaster[] = "postmaster";
	bool is_postmaster;

	if (path.len == 0 && null_ok) {
		memset(out, 0, sizeof(*out));
		return 0;
	}
	if (path.len > 0 && *path.text == '@' &&
		(check_characters(path.text, path.len, err) != 0 ||
			drop_route(&path, err) != 0))
		return -1;
	is_postmaster = !null_ok && path.len == sizeof(postmaster) - 1 &&
			same(path.text, postmaster, path.len);
	if (address_parse(out, path.text, path.len, tolerant || is_postmaster,
		    err) != 0)
		return -1;
	if (is_postmaster)
		out->quirks &= ~QUIRK_BIT(QUIRK_UNQUALIFIED);
	return 0;
}

int address_parse_path(struct address *out, const char *text, size_t len,
	bool null_ok, bool tolerant, size_t *used_out, struct err *err)
{
	const struct span in = {text, len};
	struct span path = {text, 0};
	unsigned quirks = 0;
	size_t used;

	used = tolerant ? locate(&in, &path, &quirks)
			: locate_strictly(&in, &path);
	if (used == 0 || (path.len == 0 && text[used - 1] != '>'))
		return err_set(err, ERR_SYNTAX,
			"an address in angle brackets is missing");
	if (used < len && !is_space(text[used]))
		return err_set(
			err, ERR_SYNTAX, "a space must follow the address");
	if (tolerant && drop_name(&path, &quirks, err) != 0)
		return -1;
	if (parse_inside(out, path, null_ok, tolerant, err) != 0)
		return -1;
	out->quirks |= quirks;
	*used_out = used;
	return 0;
}
