/*
 * control_fixture.h - a control socket on a fake dispatch and a fake probe, and
 *                     clients of it.
 * Used by:    test_control, test_control_queue.
 */
#ifndef GMRELAY_TESTS_CONTROL_FIXTURE_H
#define GMRELAY_TESTS_CONTROL_FIXTURE_H

#include "base/conf.h"
#include "base/counters.h"
#include "base/role.h"
#include "fake_dispatch.h"
#include "relay/control.h"
#include "relay/probe.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#define CLIENTS (CONTROL_CLIENTS_MAX + 1)

struct event_base;

/* The fake probe: the last one made and not freed, and how many there were. */
struct probe {
	struct probe_params params;
};
extern struct probe *probe_running;
extern unsigned probes_made;

struct fixture {
	char dir[32];
	struct sockaddr_un sa;
	struct event_base *base;
	struct conf conf;
	struct receiver_counters receiver;
	struct counters counters;
	struct role role;
	int channel_fd; /* the parent's end */
	struct dispatch dispatch;
	struct control *control;
	int fds[CLIENTS];
};

int setup(void **state);
int teardown(void **state);

/* Connects client number index. */
int open_client(struct fixture *f, size_t index);
void close_client(struct fixture *f, size_t index);

/* Turns the loop once; until nothing is left to do for a while. */
void turn(struct fixture *f);
void settle(struct fixture *f);

void say(int fd, const char *text);

/* The next line, NULL at the end of the connection; to be freed. */
char *hear(struct fixture *f, int fd);

/* The objects of one answer, the last with "done". */
json_t *answer(struct fixture *f, int fd);

/* Client 0 asks. The answer; one that must be a single success; one that must
 * be an error of that kind with these words in it. */
json_t *ask(struct fixture *f, const char *request);
void ask_fine(struct fixture *f, const char *request);
void ask_refused(struct fixture *f, const char *request, const char *kind,
	const char *words);

const json_t *nth(const json_t *list, size_t index);
const json_t *end_of(const json_t *list);
const char *text_at(const json_t *object, const char *key);
long long number_at(const json_t *object, const char *key);

#endif
