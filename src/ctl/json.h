/*
 * json.h - reading answers without surprises, printing documents.
 * Used by:    ctl/.
 * Invariant:  a key that is missing or of another type reads as "", 0 or false.
 */
#ifndef GMRELAY_CTL_JSON_H
#define GMRELAY_CTL_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

const char *json_text(const json_t *object, const char *key);
int64_t json_number(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);

/* Prints it to stdout as a line, without "done"; control characters are
 * escaped by the format itself. */
void json_print(json_t *value);

/* {"error": {"kind": ..., "text": ...}}; the caller owns it. */
json_t *json_error(const struct err *err);

/* Prints the elements of one array as they come: json_list_begin(), any number
 * of json_list_item(), json_list_end(). */
struct json_list {
	bool any;
};
void json_list_begin(struct json_list *list);
void json_list_item(struct json_list *list, const json_t *value);
void json_list_end(struct json_list *list);

#endif
