/*
 * mailbox_internal.h - one element of an address list.
 * Used by:    proto/mailbox, proto/mailbox_element, proto/mailbox_list,
 *             proto/header_qualify.
 */
#ifndef GMRELAY_PROTO_MAILBOX_INTERNAL_H
#define GMRELAY_PROTO_MAILBOX_INTERNAL_H

#include "proto/mailbox.h"

struct mailbox_span {
	const char *text;
	size_t len;
};

struct mailbox_name {
	char *text;
	size_t len; /* of MAILBOX_NAME_MAX */
};

struct mailbox_element {
	struct mailbox_name name;    /* its words */
	struct mailbox_name comment; /* its first comment */
	struct mailbox_span word;    /* the only word; of more the last */
	struct mailbox_span at;      /* the first word with an '@' */
	struct mailbox_span
		brackets; /* inside of the first pair; text NULL: none */
	struct address address;
	size_t words;
	bool angle; /* the address is from angle brackets */
	bool dirty;
	char end; /* ',' ';' ':' or NUL: the value ended */
	char name_text[MAILBOX_NAME_MAX], comment_text[MAILBOX_NAME_MAX];
};

struct mailbox_reader {
	const char *p, *end;
	/* Openings that are never closed are looked for once. */
	const char *open_quote, *open_paren, *open_angle;
};

/* Appends what there is room for. */
void mailbox_name_add(struct mailbox_name *n, const char *text, size_t len);

/* The same without white space at its ends. */
struct mailbox_span mailbox_trimmed(struct mailbox_span s);

/* Reads an address that should stand bare at s. Returns whether one is there;
 * *dirty is set where it had to be mended. */
bool mailbox_read_address(struct address *out, struct mailbox_span s,
	bool unqualified_ok, bool *dirty);

/* The same for a user's name that stands alone, without a domain: no quotes,
 * and no encoded-word, which is a name for people. */
bool mailbox_read_name(
	struct address *out, struct mailbox_span word, bool *dirty);

/* Reads up to the next comma, semicolon or colon, or to the end. */
void mailbox_read_element(struct mailbox_reader *r, struct mailbox_element *e);

#endif
