# tests/local.mk - `make check`: unit tests and integration scenarios, all of
# which speak TAP. Keep the lists sorted.

# --- unit tests: tests/unit/test_NAME.c, one cmocka group each. Add the name
# --- to unit_tests; a program that needs more than its one file says so below.
unit_tests = \
	tests/unit/test_account_state \
	tests/unit/test_address \
	tests/unit/test_aliases \
	tests/unit/test_aside \
	tests/unit/test_auth \
	tests/unit/test_body \
	tests/unit/test_body_limits \
	tests/unit/test_brake \
	tests/unit/test_budget \
	tests/unit/test_buf \
	tests/unit/test_census \
	tests/unit/test_by_id \
	tests/unit/test_channel \
	tests/unit/test_child \
	tests/unit/test_chunks \
	tests/unit/test_client_auth \
	tests/unit/test_client_tls \
	tests/unit/test_clients \
	tests/unit/test_clock_watch \
	tests/unit/test_command \
	tests/unit/test_conf \
	tests/unit/test_conf_client \
	tests/unit/test_conf_net \
	tests/unit/test_conf_sample \
	tests/unit/test_conf_value \
	tests/unit/test_content \
	tests/unit/test_control \
	tests/unit/test_control_queue \
	tests/unit/test_counters \
	tests/unit/test_credential \
	tests/unit/test_ctl_text \
	tests/unit/test_dispatch_disk \
	tests/unit/test_drop_format \
	tests/unit/test_drop_wait \
	tests/unit/test_dsn \
	tests/unit/test_envelope \
	tests/unit/test_err \
	tests/unit/test_gate \
	tests/unit/test_gmail \
	tests/unit/test_hash \
	tests/unit/test_header \
	tests/unit/test_header_encode \
	tests/unit/test_header_field \
	tests/unit/test_header_fold \
	tests/unit/test_header_limits \
	tests/unit/test_header_qualify \
	tests/unit/test_intake \
	tests/unit/test_journal_format \
	tests/unit/test_journal_rules_commit \
	tests/unit/test_journal_rules_enemy \
	tests/unit/test_journal_rules_failure \
	tests/unit/test_journal_rules_link \
	tests/unit/test_journal_rules_marks \
	tests/unit/test_journal_rules_recover \
	tests/unit/test_ledger \
	tests/unit/test_line \
	tests/unit/test_link \
	tests/unit/test_listen \
	tests/unit/test_local \
	tests/unit/test_log \
	tests/unit/test_login \
	tests/unit/test_loop \
	tests/unit/test_mailbox \
	tests/unit/test_mailbox_list \
	tests/unit/test_names \
	tests/unit/test_no_memory \
	tests/unit/test_notify \
	tests/unit/test_password_hash \
	tests/unit/test_path \
	tests/unit/test_probe \
	tests/unit/test_profile \
	tests/unit/test_proxy \
	tests/unit/test_queue \
	tests/unit/test_queue_write \
	tests/unit/test_receiver \
	tests/unit/test_receiver_local \
	tests/unit/test_reply \
	tests/unit/test_report \
	tests/unit/test_report_cap \
	tests/unit/test_report_digest \
	tests/unit/test_report_policy \
	tests/unit/test_resolve \
	tests/unit/test_rfc2047 \
	tests/unit/test_rfc2047_decode \
	tests/unit/test_rfc2231 \
	tests/unit/test_schedule \
	tests/unit/test_secret_file \
	tests/unit/test_sender \
	tests/unit/test_sender_hostile \
	tests/unit/test_sendmail_message \
	tests/unit/test_sendmail_options \
	tests/unit/test_sendmail_recipients \
	tests/unit/test_session \
	tests/unit/test_spool_simulation \
	tests/unit/test_spooldir \
	tests/unit/test_stuff \
	tests/unit/test_tls \
	tests/unit/test_tolerance \
	tests/unit/test_upstream \
	tests/unit/test_upstream_broken \
	tests/unit/test_upstream_mail \
	tests/unit/test_upstream_refused \
	tests/unit/test_users \
	tests/unit/test_util \
	tests/unit/test_verbs \
	tests/unit/test_worker

EXTRA_DIST += tests/unit/aborts.h tests/unit/body_feed.h \
	tests/unit/conf_fixture.h tests/unit/header_fixture.h \
	tests/unit/sender_fixture.h

# on a fake journal, which takes the place of the library's
fake_journal = tests/unit/fake_journal.c tests/unit/fake_journal.h
session_setup = \
	$(fake_journal) \
	tests/unit/session_fixture.h \
	tests/unit/session_setup.c
session_fixture = $(session_setup) tests/unit/session_fixture.c
tests_unit_test_chunks_SOURCES = tests/unit/test_chunks.c $(session_fixture)
tests_unit_test_intake_SOURCES = tests/unit/test_intake.c $(session_fixture)
tests_unit_test_login_SOURCES = tests/unit/test_login.c $(session_fixture)
tests_unit_test_no_memory_SOURCES = \
	tests/unit/test_no_memory.c $(session_fixture)
tests_unit_test_profile_SOURCES = tests/unit/test_profile.c $(session_fixture) \
	tests/unit/spool_clock.c tests/unit/spool_io.h
tests_unit_test_receiver_SOURCES = tests/unit/test_receiver.c $(fake_journal)
tests_unit_test_receiver_local_SOURCES = \
	tests/unit/test_receiver_local.c $(session_fixture)
tests_unit_test_session_SOURCES = tests/unit/test_session.c $(session_fixture)
tests_unit_test_tolerance_SOURCES = \
	tests/unit/test_tolerance.c $(session_fixture)
tests_unit_test_verbs_SOURCES = tests/unit/test_verbs.c $(session_fixture)

# both halves of the journal on one loop, between them and the kernel the test
spool_fixture = \
	tests/unit/spool_clock.c \
	tests/unit/spool_fixture.c \
	tests/unit/spool_fixture.h \
	tests/unit/spool_io.c \
	tests/unit/spool_io.h \
	tests/unit/spool_io_internal.h \
	tests/unit/spool_power.c
tests_unit_test_journal_rules_commit_SOURCES = \
	tests/unit/test_journal_rules_commit.c $(spool_fixture)
tests_unit_test_journal_rules_enemy_SOURCES = \
	tests/unit/test_journal_rules_enemy.c $(spool_fixture)
tests_unit_test_journal_rules_failure_SOURCES = \
	tests/unit/test_journal_rules_failure.c $(spool_fixture)
tests_unit_test_journal_rules_link_SOURCES = \
	tests/unit/test_journal_rules_link.c $(spool_fixture)
tests_unit_test_journal_rules_marks_SOURCES = \
	tests/unit/test_journal_rules_marks.c $(spool_fixture)
tests_unit_test_journal_rules_recover_SOURCES = \
	tests/unit/test_journal_rules_recover.c $(spool_fixture)
tests_unit_test_queue_SOURCES = \
	tests/unit/queue_desk.h \
	tests/unit/test_queue.c $(spool_fixture)
tests_unit_test_queue_write_SOURCES = \
	tests/unit/queue_desk.h \
	tests/unit/test_queue_write.c $(spool_fixture)
tests_unit_test_spool_simulation_SOURCES = \
	tests/unit/simulated_relay.c \
	tests/unit/simulated_relay.h \
	tests/unit/test_spool_simulation.c $(spool_fixture)

# on a fake dispatch; doctor's probe on fakes of all that it uses
control_fixture = \
	tests/unit/control_fixture.c \
	tests/unit/control_fixture.h \
	tests/unit/fake_dispatch.c \
	tests/unit/fake_dispatch.h
tests_unit_test_control_SOURCES = tests/unit/test_control.c $(control_fixture)
tests_unit_test_control_queue_SOURCES = \
	tests/unit/test_control_queue.c $(control_fixture)
tests_unit_test_ctl_text_SOURCES = tests/unit/test_ctl_text.c \
	src/ctl/table.c src/ctl/text.c src/ctl/text.h
report_sample = tests/unit/report_sample.c tests/unit/report_sample.h
tests_unit_test_report_SOURCES = tests/unit/test_report.c $(report_sample)
tests_unit_test_report_digest_SOURCES = \
	tests/unit/test_report_digest.c $(report_sample)

# for tests/integration/report_parses.py
check_PROGRAMS += tests/unit/report_samples
tests_unit_report_samples_SOURCES = \
	tests/unit/report_samples.c $(report_sample)

# the command's own files
tests_unit_test_sendmail_message_SOURCES = \
	tests/unit/test_sendmail_message.c \
	src/sendmail/message.c src/sendmail/message.h
tests_unit_test_sendmail_options_SOURCES = \
	tests/unit/test_sendmail_options.c \
	src/sendmail/options.c src/sendmail/options.h
tests_unit_test_sendmail_recipients_SOURCES = \
	tests/unit/test_sendmail_recipients.c \
	src/sendmail/recipients.c src/sendmail/recipients.h

# against a scripted server, in a thread
fake_upstream = tests/unit/fake_upstream.c tests/unit/fake_upstream.h
upstream_fixture = \
	$(fake_upstream) \
	tests/unit/upstream_fixture.c \
	tests/unit/upstream_fixture.h
tests_unit_test_tls_SOURCES = tests/unit/test_tls.c $(fake_upstream)
tests_unit_test_upstream_SOURCES = \
	tests/unit/test_upstream.c $(upstream_fixture)
tests_unit_test_upstream_broken_SOURCES = \
	tests/unit/test_upstream_broken.c $(upstream_fixture)
tests_unit_test_upstream_mail_SOURCES = \
	tests/unit/test_upstream_mail.c $(upstream_fixture)
tests_unit_test_upstream_refused_SOURCES = \
	tests/unit/test_upstream_refused.c $(upstream_fixture)

if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif

LDADD = $(gmrelay_libs) $(CMOCKA_LIBS)

# --- integration: tests/integration/NAME.py, scenarios in each
integration_lib = \
	tests/integration/lib/__init__.py \
	tests/integration/lib/bench.py \
	tests/integration/lib/control.py \
	tests/integration/lib/daemon.py \
	tests/integration/lib/drop.py \
	tests/integration/lib/dsn.py \
	tests/integration/lib/fakefaults.py \
	tests/integration/lib/fakegmail.py \
	tests/integration/lib/fakemessage.py \
	tests/integration/lib/fakesession.py \
	tests/integration/lib/faults.py \
	tests/integration/lib/gmailreplies.py \
	tests/integration/lib/harness.py \
	tests/integration/lib/lives.py \
	tests/integration/lib/mail.py \
	tests/integration/lib/patience.py \
	tests/integration/lib/pki.py \
	tests/integration/lib/plainsink.py \
	tests/integration/lib/postfix.py \
	tests/integration/lib/powercut.py \
	tests/integration/lib/proc.py \
	tests/integration/lib/sendmail.py \
	tests/integration/lib/smalldisk.py \
	tests/integration/lib/smtpclient.py \
	tests/integration/lib/syscalls.py \
	tests/integration/lib/systemd.py \
	tests/integration/lib/unit.py \
	tests/integration/lib/wire.py

integration_tests = \
	tests/integration/abuse_leaves_others_served.py \
	tests/integration/account_and_queue_trouble.py \
	tests/integration/account_states_outlive_kills.py \
	tests/integration/answers_for_programs.py \
	tests/integration/alert_command.py \
	tests/integration/cost_in_system_calls.py \
	tests/integration/daily_limit_is_a_stop.py \
	tests/integration/delivers_every_byte.py \
	tests/integration/delivery_reports_are_kept.py \
	tests/integration/delivery_reports_as_asked.py \
	tests/integration/drop_takes_mail_while_down.py \
	tests/integration/devices_get_in.py \
	tests/integration/every_disk_call_fails.py \
	tests/integration/fault_matrix.py \
	tests/integration/gmail_pauses.py \
	tests/integration/gmail_replies.py \
	tests/integration/idle_costs_nothing.py \
	tests/integration/kill_at_every_call.py \
	tests/integration/kill_roles_lose_nothing.py \
	tests/integration/lan_logins.py \
	tests/integration/lan_tls.py \
	tests/integration/lessons_of_other_servers.py \
	tests/integration/limits_at_the_door.py \
	tests/integration/local_names_reach_people.py \
	tests/integration/logs_hold_no_secret.py \
	tests/integration/long_queue_is_small.py \
	tests/integration/machine_trouble.py \
	tests/integration/never_an_open_relay.py \
	tests/integration/nobody_touches_dropped_mail.py \
	tests/integration/parent_check.py \
	tests/integration/parent_instances.py \
	tests/integration/parent_reload.py \
	tests/integration/parent_restarts.py \
	tests/integration/parent_stop.py \
	tests/integration/parent_systemd.py \
	tests/integration/parent_users.py \
	tests/integration/password_change_keeps_queue.py \
	tests/integration/people_see_and_act.py \
	tests/integration/per_recipient_results.py \
	tests/integration/poisoned_spool.py \
	tests/integration/power_cut.py \
	tests/integration/proxies_name_their_clients.py \
	tests/integration/queue_of_many.py \
	tests/integration/real_clients.py \
	tests/integration/real_programs.py \
	tests/integration/real_submission_server.py \
	tests/integration/receiver_broken_into.py \
	tests/integration/refuses_strangers.py \
	tests/integration/reload_refuses_nobody.py \
	tests/integration/report_parses.py \
	tests/integration/reports.py \
	tests/integration/reports_come_together.py \
	tests/integration/roles_are_separate.py \
	tests/integration/sandbox_itself.py \
	tests/integration/sender_policy.py \
	tests/integration/sendmail_command.py \
	tests/integration/smtp_commands.py \
	tests/integration/smuggling_gets_nobody_in.py \
	tests/integration/soak.py \
	tests/integration/spool_promises_files.py \
	tests/integration/spool_promises_large.py \
	tests/integration/spool_promises_moments.py \
	tests/integration/spool_promises_space.py \
	tests/integration/spool_promises_start.py \
	tests/integration/spool_promises_sync.py \
	tests/integration/spool_without_daemon.py \
	tests/integration/status_shows_drop.py \
	tests/integration/the_next_goes_ahead.py \
	tests/integration/the_unit_is_enough.py \
	tests/integration/upstream_refusals_send_no_credential.py \
	tests/integration/what_waits_goes_on.py

if HAVE_PYTHON3
TESTS += $(integration_tests)
endif

EXTRA_DIST += $(integration_lib) $(integration_tests) tests/packages.sh

# preloaded by lib/faults.py; a library, though automake takes it for a program
check_PROGRAMS += tests/crash/intruder.so tests/crash/shim.so
tests_crash_intruder_so_SOURCES = tests/crash/intruder.c
tests_crash_intruder_so_CFLAGS = -std=gnu11 -fPIC
tests_crash_intruder_so_LDFLAGS = -shared
tests_crash_intruder_so_LDADD = -ldl
tests_crash_shim_so_SOURCES = \
	tests/crash/shim.c \
	tests/crash/shim.h \
	tests/crash/shim_files.c \
	tests/crash/shim_others.c \
	tests/crash/shim_trace.c
tests_crash_shim_so_CFLAGS = -std=gnu11 -fPIC
tests_crash_shim_so_LDFLAGS = -shared
tests_crash_shim_so_LDADD = -ldl

# --- how they are run
if SANITIZERS
sanitized = yes
else
sanitized = no
endif
TEST_EXTENSIONS = .py
LOG_DRIVER = $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = $(PYTHON3)
AM_PY_LOG_FLAGS = -B
# a plan tells how many scenarios there are, so a crash is seen; the status
# would count a failure a second time
AM_PY_LOG_DRIVER_FLAGS = --ignore-exit
AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	GMRELAYD='$(abs_top_builddir)/src/gmrelayd'; export GMRELAYD; \
	GMRELAYCTL='$(abs_top_builddir)/src/gmrelayctl'; export GMRELAYCTL; \
	GMRELAY_SENDMAIL='$(abs_top_builddir)/src/gmrelay-sendmail'; \
	export GMRELAY_SENDMAIL; \
	SANITIZED='$(sanitized)'; export SANITIZED; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir;

# --- what takes too long for every day; see tests/long
EXTRA_DIST += tests/coverage.py tests/long tests/valgrind.supp
long = top_builddir='$(abs_top_builddir)' MAKE='$(MAKE)' \
	PYTHON3='$(PYTHON3)' $(top_srcdir)/tests/long

check-long: all
	$(long) faults valgrind coverage

check-valgrind:
	$(long) valgrind

coverage:
	$(long) coverage

.PHONY: check-long check-valgrind coverage

clean-local:
	-rm -rf coverage valgrind
