/*
 * conf_text.c - the configuration file's text and its tokens.
 *
 * libconfuse 3.3 counts lines wrongly behind comments, takes comments inside
 * lists for values, fills in ${NAME} from the environment, and keeps the state
 * of its scanner after an error. So the text is gone through here first, by the
 * same rules but stricter: what passes here, libconfuse reads as we did.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(struct conf_report *r, const struct stat *st)
{
	if (S_ISDIR(st->st_mode)) {
		conf_error(r, 0,
			"is a directory; name the file in it, such as "
			"gmrelayd.conf");
		return -1;
	}
	if (!S_ISREG(st->st_mode)) {
		conf_error(r, 0, "is not a regular file");
		return -1;
	}
	if (st->st_size > CONF_FILE_SIZE_MAX) {
		conf_error(r, 0,
			"has %lld octets, %d are allowed; is it the right "
			"file?",
			(long long)st->st_size, CONF_FILE_SIZE_MAX);
		return -1;
	}
	if (st->st_mode & S_IWOTH)
		conf_warning(r, 0,
			"may be written by everyone; right would be: "
			"chmod 644");
	return 0;
}

/* Everything may change between stat and read: the size read counts. */
static struct conf_text *read_whole(struct conf_report *r, int fd)
{
	struct conf_text *text = xcalloc(1, sizeof(*text));
	ssize_t n;

	text->data = xcalloc(1, CONF_FILE_SIZE_MAX + 2);
	n = pread_full(fd, text->data, CONF_FILE_SIZE_MAX + 1, 0);
	if (n < 0) {
		conf_error(r, 0, "cannot be read: %s", strerror(errno));
		conf_text_free(&text);
	} else if (n > CONF_FILE_SIZE_MAX) {
		conf_error(
			r, 0, "is larger than %d octets", CONF_FILE_SIZE_MAX);
		conf_text_free(&text);
	} else {
		text->len = (size_t)n;
		text->data[n] = '\0';
	}
	return text;
}

struct conf_text *conf_text_read(struct conf_report *r)
{
	struct conf_text *text = NULL;
	struct stat st;
	int fd;

	/* non-blocking: a FIFO is to be refused, not waited for */
	fd = open(r->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0)
		conf_error(r, 0, "cannot be read: %s", strerror(errno));
	else if (check_file(r, &st) == 0)
		text = read_whole(r, fd);
	if (fd >= 0)
		close(fd);
	return text;
}

void conf_text_free(struct conf_text **text)
{
	if (*text == NULL)
		return;
	free((*text)->data);
	free((*text)->places);
	free((*text)->value_lines);
	free(*text);
	*text = NULL;
}

void conf_text_blank(struct conf_text *text, size_t from, size_t to)
{
	for (; from < to; from++)
		if (text->data[from] != '\n')
			text->data[from] = ' ';
}

/* What may stand without quotes. */
static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_-.:@/%[]", c) != NULL);
}

static bool begins(const struct conf_scan *s, const char *what)
{
	return strncmp(s->text->data + s->at, what, strlen(what)) == 0;
}

static void skip_line_comment(struct conf_scan *s)
{
	size_t from = s->at;

	while (s->at < s->text->len && s->text->data[s->at] != '\n')
		s->at++;
	conf_text_blank(s->text, from, s->at);
}

static int skip_block_comment(struct conf_scan *s)
{
	unsigned line = s->line;
	size_t from = s->at;

	s->at += 2;
	while (s->at < s->text->len && !begins(s, "*/"))
		if (s->text->data[s->at++] == '\n')
			s->line++;
	if (s->at >= s->text->len) {
		conf_error(s->report, line,
			"the comment that begins here has no end; \"*/\" is "
			"missing");
		return -1;
	}
	s->at += 2;
	conf_text_blank(s->text, from, s->at);
	return 0;
}

/* Goes on to something that is neither white space nor comment. */
static int skip_blanks(struct conf_scan *s)
{
	char c;

	for (;;) {
		c = s->at < s->text->len ? s->text->data[s->at] : '\0';
		if (c == '#' || begins(s, "//")) {
			skip_line_comment(s);
		} else if (begins(s, "/*")) {
			if (skip_block_comment(s) != 0)
				return -1;
		} else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			s->line += c == '\n';
			s->at++;
		} else {
			return 0;
		}
	}
}

/* A backslash or "${" inside a string. Only \\ and an escaped quote mean the
 * same to everybody; \0 would cut the text short. Returns false if bad. */
static bool check_special(
	struct conf_scan *s, const char *p, char quote, size_t *skip)
{
	*skip = 1;
	if (p[0] == '\\' && (p[1] == '\\' || p[1] == quote)) {
		*skip = 2;
	} else if (p[0] == '\\') {
		conf_error(s->report, s->line,
			"a backslash in quotes stands before another one or "
			"the quote only; write \"\\\\\" for one backslash");
		*skip = (p[1] & 0x80) != 0 || p[1] >= ' ' ? 2 : 1;
		return false;
	} else if (p[0] == '$' && p[1] == '{' && quote == '"') {
		conf_error(s->report, s->line,
			"\"${...}\" is not replaced from the environment "
			"here; write the value itself");
		return false;
	}
	return true;
}

static int scan_string(struct conf_scan *s)
{
	const char *data = s->text->data;
	char quote = data[s->at++];
	unsigned char c;
	size_t skip;

	s->token.kind = CONF_TOKEN_STRING;
	while (s->at < s->text->len && data[s->at] != quote) {
		c = (unsigned char)data[s->at];
		if (c == '\n' || (c == '\r' && data[s->at + 1] == '\n'))
			break;
		if (c < ' ' || c == 0x7f) {
			conf_error(s->report, s->line,
				"a control character (0x%02x) in quotes; "
				"remove it",
				c);
			return -1;
		}
		if (!check_special(s, data + s->at, quote, &skip))
			s->token.bad = true;
		s->at += skip;
	}
	if (s->at >= s->text->len || data[s->at] != quote) {
		conf_error(s->report, s->token.line,
			"the quote %c that begins here does not end on its "
			"line; add the closing %c",
			quote, quote);
		return -1;
	}
	s->at++;
	return 0;
}

static int bad_character(struct conf_scan *s)
{
	unsigned char c = (unsigned char)s->text->data[s->at];

	if (c == ';')
		conf_error(s->report, s->line,
			"unexpected \";\"; a setting ends with its value");
	else if (c > ' ' && c < 0x7f)
		conf_error(s->report, s->line,
			"unexpected \"%c\"; put values in quotes: "
			"name = \"value\"",
			c);
	else
		conf_error(s->report, s->line,
			"unexpected character 0x%02x; is this a text file? "
			"put values in quotes",
			c);
	return -1;
}

static int scan_sign(struct conf_scan *s)
{
	static const struct {
		const char *text;
		enum conf_token_kind kind;
	} signs[] = {
		{"+=", CONF_TOKEN_APPEND},
		{"=", CONF_TOKEN_EQUALS},
		{"{", CONF_TOKEN_OPEN},
		{"}", CONF_TOKEN_CLOSE},
		{",", CONF_TOKEN_COMMA},
	};
	size_t i;

	for (i = 0; i < COUNT_OF(signs); i++) {
		if (!begins(s, signs[i].text))
			continue;
		s->token.kind = signs[i].kind;
		s->at += strlen(signs[i].text);
		return 0;
	}
	return bad_character(s);
}

int conf_scan_next(struct conf_scan *s)
{
	const char *data = s->text->data;
	int result = 0;

	if (skip_blanks(s) != 0)
		return -1;
	memset(&s->token, 0, sizeof(s->token));
	s->token.start = s->at;
	s->token.line = s->line;
	if (s->at >= s->text->len) {
		s->token.kind = CONF_TOKEN_END;
	} else if (data[s->at] == '"' || data[s->at] == '\'') {
		result = scan_string(s);
	} else if (is_word(data[s->at])) {
		s->token.kind = CONF_TOKEN_WORD;
		while (is_word(data[s->at]))
			s->at++;
	} else {
		result = scan_sign(s);
	}
	s->token.len = s->at - s->token.start;
	return result;
}
