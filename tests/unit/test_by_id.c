/*
 * test_by_id.c - things in the order of their ids, compared with a plain list.
 */
#include "config.h"

#include "base/util.h"
#include "relay/by_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THINGS 400
#define ROUNDS 20000
#define MANY   100000

static struct by_id *lowest_above(
	struct by_id *things, const bool *in, size_t count, uint64_t id)
{
	struct by_id *best = NULL;
	size_t i;

	for (i = 0; i < count; i++)
		if (in[i] && things[i].id > id &&
			(best == NULL || things[i].id < best->id))
			best = &things[i];
	return best;
}

static void an_empty_one_has_nothing(void **state)
{
	struct by_id_tree tree;

	(void)state;
	by_id_init(&tree);
	assert_null(by_id_find(&tree, 7));
	assert_null(by_id_above(&tree, 0));
	assert_int_equal(tree.count, 0);
}

/* Few ids, so that some are in twice, the lowest and the highest too. */
static uint64_t some_id(void)
{
	static const uint64_t ends[] = {1, UINT64_MAX};

	if (random_below(20) == 0)
		return ends[random_below(2)];
	return 1 + random_below(2 * THINGS);
}

static void finds_what_a_list_finds(void **state)
{
	struct by_id *things = xcalloc(THINGS, sizeof(*things));
	bool in[THINGS] = {false};
	struct by_id_tree tree;
	const struct by_id *found, *wanted;
	size_t round, i, count = 0;
	uint64_t id;

	(void)state;
	by_id_init(&tree);
	for (round = 0; round < ROUNDS; round++) {
		i = random_below(THINGS);
		if (in[i]) {
			by_id_remove(&tree, &things[i]);
		} else {
			things[i].id = some_id();
			by_id_add(&tree, &things[i]);
		}
		in[i] = !in[i];
		count += in[i] ? 1 : (size_t)-1;
		assert_int_equal(tree.count, count);
		id = some_id() - 1;
		wanted = lowest_above(things, in, THINGS, id);
		found = by_id_above(&tree, id);
		assert_true((found == NULL) == (wanted == NULL));
		assert_true(found == NULL || found->id == wanted->id);
		found = by_id_find(&tree, id + 1);
		assert_true((found != NULL) ==
			    (wanted != NULL && wanted->id == id + 1));
	}
	for (i = 0; i < THINGS; i++)
		if (in[i])
			by_id_remove(&tree, &things[i]);
	assert_null(tree.root);
	free(things);
}

static size_t depth_of(const struct by_id_tree *tree, const struct by_id *node)
{
	const struct by_id *t = tree->root;
	size_t depth = 0;

	for (; t != node; depth++)
		t = node->id < t->id || (node->id == t->id && node < t)
			    ? t->lower
			    : t->higher;
	return depth;
}

/* In whatever order ids come, and were they all the same: a million must not
 * become a list. A random tree of this size is about 40 deep. */
static void stays_flat(void **state)
{
	struct by_id *things = xcalloc(MANY, sizeof(*things));
	size_t kind, i, depth;
	struct by_id_tree tree;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		by_id_init(&tree);
		for (i = 0; i < MANY; i++) {
			things[i].id = kind == 0   ? i + 1
				       : kind == 1 ? MANY - i
				       : kind == 2 ? 7
						   : random_u64();
			by_id_add(&tree, &things[i]);
		}
		for (i = 0; i < MANY; i++) {
			depth = depth_of(&tree, &things[i]);
			assert_true(depth < 120);
		}
		for (i = 0; i < MANY; i++)
			by_id_remove(&tree, &things[i]);
		assert_null(tree.root);
	}
	free(things);
}

static void is_walked_in_order(void **state)
{
	struct by_id *things = xcalloc(THINGS, sizeof(*things));
	const struct by_id *found;
	struct by_id_tree tree;
	size_t i, count = 0;
	uint64_t after = 0;

	(void)state;
	by_id_init(&tree);
	for (i = 0; i < THINGS; i++) {
		things[i].id = random_u64();
		by_id_add(&tree, &things[i]);
	}
	while ((found = by_id_above(&tree, after)) != NULL) {
		assert_true(found->id > after);
		after = found->id;
		count++;
	}
	assert_int_equal(count, THINGS);
	free(things);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_has_nothing),
		cmocka_unit_test(finds_what_a_list_finds),
		cmocka_unit_test(stays_flat),
		cmocka_unit_test(is_walked_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
