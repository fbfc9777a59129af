/*
 * test_clients.c - who has to go when all places are taken.
 */
#include "config.h"

#include "receiver/clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { CLIENTS_MAX = 16 };

/* Letters are clients by their addresses, the one silent longest first; small
 * ones have a transaction, '#' and '$' are two users at a Unix socket. */
static const struct {
	const char *there;
	char newcomer;
	int victim; /* which of them, -1: none */
} vectors[] = {
	{"A", 'B', 0},
	{"AB", 'C', 0},
	{"a", 'B', -1},
	{"ab", 'C', -1},
	{"ab", 'A', -1},
	/* who fills the places pays, whoever comes */
	{"BAAA", 'C', 1},
	{"BAAA", 'A', 1},
	{"BAAA", 'B', 1},
	{"BBAAA", 'C', 0},
	{"bAAA", 'C', 1},
	{"BaaA", 'C', 3},
	/* a transaction only for who has fewer, and none of one's own */
	{"aaa", 'B', 0},
	{"baaa", 'C', 1},
	{"aaa", 'A', -1},
	{"aab", 'C', 0},
	{"aab", 'B', -1},
	{"aaab", 'B', 0},
	/* an idle one before any that is not */
	{"aaaB", 'C', 3},
	/* the sockets of this machine's users */
	{"#A#", 'B', 0},
	{"$###", 'A', 1},
	{"$###", '#', 1},
};

static struct peer peer_of(char name)
{
	struct peer peer;

	memset(&peer, 0, sizeof(peer));
	peer.kind =
		name == '#' || name == '$' ? LISTENER_SUBMIT : LISTENER_SMTP;
	peer.socket_uid = (uid_t)name;
	if (peer.kind == LISTENER_SMTP)
		peer.address.s6_addr[15] = (uint8_t)(name | 0x20);
	return peer;
}

static void table(void **state)
{
	struct client all[CLIENTS_MAX];
	struct peer peers[CLIENTS_MAX], newcomer;
	struct clients clients;
	struct session *victim;
	size_t i, n;
	char name;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		clients_init(&clients);
		memset(all, 0, sizeof(all));
		for (n = 0; (name = vectors[i].there[n]) != '\0'; n++) {
			peers[n] = peer_of(name);
			all[n].peer = &peers[n];
			/* never looked into */
			all[n].session = (struct session *)(void *)&all[n];
			clients_add(&clients, &all[n]);
			clients_touch(
				&clients, &all[n], name < 'a' || name > 'z');
		}
		newcomer = peer_of(vectors[i].newcomer);
		victim = clients_victim(&clients, &newcomer);
		if (victim == NULL) {
			assert_int_equal(vectors[i].victim, -1);
			continue;
		}
		for (n = 0; (void *)victim != (void *)&all[n];)
			n++;
		if ((int)n != vectors[i].victim)
			print_error("vector %zu: %s\n", i, vectors[i].there);
		assert_int_equal(n, vectors[i].victim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
