/*
 * aborts.h - what must end the process, done in one of its own.
 * Used by:    tests of what is to abort; behind cmocka.h.
 */
#ifndef GMRELAY_TESTS_ABORTS_H
#define GMRELAY_TESTS_ABORTS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Does act(arg) in a child. Returns true where an abort ended it. */
static inline bool aborts(void (*act)(void *arg), void *arg)
{
	const struct rlimit no_core = {0, 0};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		act(arg);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
