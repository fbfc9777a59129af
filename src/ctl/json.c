/*
 * json.c - reading answers without surprises, printing documents.
 */
#include "config.h"

#include "ctl/json.h"

#include <stdio.h>

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

int64_t json_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* The C1 controls, which JSON leaves as they are, are escaped too. */
enum { PRINT_FLAGS = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY };

void json_print(json_t *value)
{
	if (json_is_object(value))
		json_object_del(value, "done");
	json_dumpf(value, stdout, PRINT_FLAGS);
	putchar('\n');
}

/* Not every text of the system is UTF-8. */
json_t *json_error(const struct err *err)
{
	json_t *text = json_string(err->text);

	if (text == NULL)
		text = json_string("unprintable; see standard error");
	return json_pack("{s:{s:s,s:o}}", "error", "kind",
		err_kind_name(err->kind), "text", text);
}

void json_list_begin(struct json_list *list)
{
	list->any = false;
	putchar('[');
}

void json_list_item(struct json_list *list, const json_t *value)
{
	fputs(list->any ? ",\n" : "\n", stdout);
	json_dumpf(value, stdout, PRINT_FLAGS);
	list->any = true;
}

void json_list_end(struct json_list *list)
{
	fputs(list->any ? "\n]\n" : "]\n", stdout);
}
