/*
 * fuzz_deliveries.c - messages for the submission server, from memory.
 */
#include "config.h"

#include "fuzz_deliveries.h"

#include "fuzz.h"

#include "relay/upstream_internal.h"

enum { BIG_SIZE = UPSTREAM_WHOLE_MAX + 20000, MARK_SIZE = 32 };

/* In place of spool/content. */
struct content {
	char *text;
	size_t len, at;
	bool damaged; /* its last octet cannot be read */
};

struct delivery fuzz_deliveries[FUZZ_DELIVERIES];
static struct delivery_rcpt rcpts[FUZZ_DELIVERIES][FUZZ_RCPTS];
static struct content contents[FUZZ_DELIVERIES];

ssize_t content_read(struct content *c, void *data, size_t len, struct err *err)
{
	if (len > c->len - c->at)
		len = c->len - c->at;
	if (c->damaged && c->at + len == c->len)
		return err_set(err, ERR_DAMAGED, "wrong checksum");
	memcpy(data, c->text + c->at, len);
	c->at += len;
	return (ssize_t)len;
}

bool content_at_end(const struct content *c)
{
	return c->at == c->len;
}

static void print_mark(char mark[MARK_SIZE], size_t i)
{
	snprintf(mark, MARK_SIZE, "end of message %zu\r\n", i);
}

static char *make_text(size_t i, size_t filling)
{
	static const char head[] = "Subject: x\r\n\r\n.\r\n..dots\r\n";
	struct buf text;
	char mark[MARK_SIZE];
	size_t n;

	fuzz_buf(&text);
	print_mark(mark, i);
	FUZZ_REQUIRE(buf_add_string(&text, head) == 0);
	for (n = 0; n < filling; n += 80)
		FUZZ_REQUIRE(buf_addf(&text, "%078d\r\n", 0) == 0);
	FUZZ_REQUIRE(buf_add_string(&text, mark) == 0);
	return text.data;
}

/* The texts, once: small ones, then a big one. */
static char *text_of(size_t i, bool big)
{
	static char *texts[FUZZ_DELIVERIES][2];

	if (texts[i][big] == NULL)
		texts[i][big] = make_text(i, big ? BIG_SIZE : 0);
	return texts[i][big];
}

static void set_content(size_t i, const struct fuzz_traits *traits)
{
	struct content *c = &contents[i];

	c->text = text_of(i, i == 1 && traits->big);
	c->len = strlen(c->text);
	c->at = 0;
	c->damaged = i == 0 && traits->damaged;
}

static void set_rcpts(size_t i, size_t count, bool dsn)
{
	static const char *const addresses[] = {
		"a@example.net", "b@example.net", "\xc3\xb6@example.net"};
	static const char *const orcpts[] = {
		"rfc822;A+2B@example.net", NULL, "utf-8;\xc3\xb6@example.net"};
	static const unsigned notify[] = {
		DSN_SUCCESS | DSN_DELAY, DSN_FAILURE, DSN_NEVER};
	size_t n;

	for (n = 0; n < count; n++)
		rcpts[i][n] = (struct delivery_rcpt){.address = addresses[n],
			.index = n,
			.notify = dsn ? notify[n] : 0,
			.orcpt = dsn ? orcpts[n] : NULL};
}

void fuzz_deliveries_set(const struct fuzz_traits *traits)
{
	size_t i;

	for (i = 0; i < FUZZ_DELIVERIES; i++) {
		const size_t count = i == 1 ? FUZZ_RCPTS : 1;

		set_content(i, traits);
		set_rcpts(i, count, traits->dsn);
		fuzz_deliveries[i] = (struct delivery){.id = i + 1,
			.reverse_path = "user@fake.test",
			.own_sender = traits->own_sender,
			.rcpts = rcpts[i],
			.rcpt_count = count,
			.size = contents[i].len,
			.content = &contents[i],
			.smtputf8 = i == 1,
			.eight_bit = i == 2,
			.utf8_message = i == 1 && traits->utf8_message,
			.pass_dsn = traits->dsn,
			.ret = traits->dsn ? DSN_RET_HDRS : DSN_RET_UNSAID,
			.envid = traits->dsn ? "E+2BV" : NULL};
	}
}

bool fuzz_delivery_was_heard(
	const struct delivery *d, const char *heard, size_t len)
{
	char mark[MARK_SIZE];

	print_mark(mark, d->id - 1);
	return memmem(heard, len, mark, strlen(mark)) != NULL;
}
