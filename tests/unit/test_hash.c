/*
 * test_hash.c - SipHash-2-4 against the reference vectors, whole and in pieces.
 */
#include "config.h"

#include "base/hash.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The key 00 01 .. 0f, as two little-endian words. */
#define K0 0x0706050403020100ULL
#define K1 0x0f0e0d0c0b0a0908ULL

enum { INPUT_MAX = 300 };

/* Of the inputs "", 00, 00 01, .. ; the last one is worked out in the paper's
 * appendix A. */
static const uint64_t expected[] = {
	0x726fdb47dd0e0e31ULL,
	0x74f839c593dc67fdULL,
	0x0d6c8009d9a94f5aULL,
	0x85676696d7fb7e2dULL,
	0xcf2794e0277187b7ULL,
	0x18765564cd99a68dULL,
	0xcbc9466e58fee3ceULL,
	0xab0200f58b01d137ULL,
	0x93f5f5799a932462ULL,
	0x9e0082df0ba9e4b0ULL,
	0x7a5dbbc594ddb9f3ULL,
	0xf4b32f46226bada7ULL,
	0x751e8fbc860ee5fbULL,
	0x14ea5627c0843d90ULL,
	0xf723ca908e7af2eeULL,
	0xa129ca6149be45e5ULL,
};

static void fill(unsigned char input[INPUT_MAX])
{
	size_t i;

	for (i = 0; i < INPUT_MAX; i++)
		input[i] = (unsigned char)i;
}

static void test_reference(void **state)
{
	unsigned char input[INPUT_MAX];
	size_t i;

	(void)state;
	fill(input);
	for (i = 0; i < COUNT_OF(expected); i++)
		assert_true(hash_of(K0, K1, input, i) == expected[i]);
	assert_true(hash_of(K0, K1, NULL, 0) == expected[0]);
	assert_true(hash_of(K0, K1, input, 63) == 0x958a324ceb064572ULL);
	/* the length counts modulo 256 */
	assert_true(hash_of(K0, K1, input, 300) == 0x4b0b710db6117839ULL);
}

static void test_pieces(void **state)
{
	unsigned char input[INPUT_MAX];
	struct hash h;
	size_t len, step, at, n;

	(void)state;
	fill(input);
	for (len = 0; len < 70; len++)
		for (step = 1; step < 20; step++) {
			hash_init(&h, K0, K1);
			for (at = 0; at < len; at += n) {
				n = step < len - at ? step : len - at;
				hash_add(&h, input + at, n);
				hash_add(&h, NULL, 0);
			}
			assert_true(
				hash_end(&h) == hash_of(K0, K1, input, len));
		}
}

static void test_two_uneven_pieces(void **state)
{
	unsigned char input[INPUT_MAX];
	struct hash h;
	size_t split;

	(void)state;
	fill(input);
	for (split = 0; split <= INPUT_MAX; split++) {
		hash_init(&h, K0, K1);
		hash_add(&h, input, split);
		hash_add(&h, input + split, INPUT_MAX - split);
		assert_true(hash_end(&h) == 0x4b0b710db6117839ULL);
	}
}

static void test_unaligned(void **state)
{
	unsigned char input[INPUT_MAX], moved[INPUT_MAX + 8];
	size_t shift;

	(void)state;
	fill(input);
	for (shift = 0; shift < 8; shift++) {
		memcpy(moved + shift, input, INPUT_MAX);
		assert_true(hash_of(K0, K1, moved + shift, INPUT_MAX) ==
			    0x4b0b710db6117839ULL);
	}
}

static void test_key_matters(void **state)
{
	(void)state;
	assert_true(hash_of(K0, K1, "x", 1) != hash_of(K0 ^ 1, K1, "x", 1));
	assert_true(hash_of(K0, K1, "x", 1) != hash_of(K0, K1 ^ 1, "x", 1));
	assert_true(hash_of(K0, K1, "", 0) != hash_of(K0, K1, "\0", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_two_uneven_pieces),
		cmocka_unit_test(test_unaligned),
		cmocka_unit_test(test_key_matters),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
