# tests/fuzz/local.mk - fuzz targets: fuzz_NAME.c, corpus/NAME/, dict/NAME where
# words help. With --enable-fuzzing libFuzzer drives them (`make fuzz`); without,
# `make check` runs them over their corpora. Keep the lists sorted.
fuzz_targets = \
	tests/fuzz/fuzz_address \
	tests/fuzz/fuzz_aliases \
	tests/fuzz/fuzz_body \
	tests/fuzz/fuzz_command \
	tests/fuzz/fuzz_conf \
	tests/fuzz/fuzz_control \
	tests/fuzz/fuzz_drop \
	tests/fuzz/fuzz_envelope \
	tests/fuzz/fuzz_header \
	tests/fuzz/fuzz_journal \
	tests/fuzz/fuzz_line \
	tests/fuzz/fuzz_link \
	tests/fuzz/fuzz_list \
	tests/fuzz/fuzz_mailbox \
	tests/fuzz/fuzz_proxy \
	tests/fuzz/fuzz_queue \
	tests/fuzz/fuzz_recipients \
	tests/fuzz/fuzz_reply \
	tests/fuzz/fuzz_session \
	tests/fuzz/fuzz_state \
	tests/fuzz/fuzz_upstream

if FUZZING
fuzz_main = tests/fuzz/fuzz.h
noinst_PROGRAMS = $(fuzz_targets)
else
fuzz_main = tests/fuzz/fuzz.h tests/fuzz/replay.c
check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
endif

fuzz_libs = $(gmrelay_libs) $(FUZZ_LIBS)
tests_fuzz_fuzz_address_SOURCES = tests/fuzz/fuzz_address.c $(fuzz_main)
tests_fuzz_fuzz_address_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_aliases_SOURCES = tests/fuzz/fuzz_aliases.c $(fuzz_main)
tests_fuzz_fuzz_aliases_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_body_SOURCES = tests/fuzz/fuzz_body.c $(fuzz_main)
tests_fuzz_fuzz_body_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_command_SOURCES = tests/fuzz/fuzz_command.c $(fuzz_main)
tests_fuzz_fuzz_command_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_drop_SOURCES = tests/fuzz/fuzz_drop.c $(fuzz_main)
tests_fuzz_fuzz_drop_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_envelope_SOURCES = tests/fuzz/fuzz_envelope.c $(fuzz_main)
tests_fuzz_fuzz_envelope_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_header_SOURCES = tests/fuzz/fuzz_header.c $(fuzz_main)
tests_fuzz_fuzz_header_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_line_SOURCES = tests/fuzz/fuzz_line.c $(fuzz_main)
tests_fuzz_fuzz_line_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_list_SOURCES = tests/fuzz/fuzz_list.c $(fuzz_main)
tests_fuzz_fuzz_list_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_mailbox_SOURCES = tests/fuzz/fuzz_mailbox.c $(fuzz_main)
tests_fuzz_fuzz_mailbox_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_proxy_SOURCES = tests/fuzz/fuzz_proxy.c $(fuzz_main)
tests_fuzz_fuzz_proxy_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_recipients_SOURCES = tests/fuzz/fuzz_recipients.c \
	src/sendmail/recipients.c src/sendmail/recipients.h $(fuzz_main)
tests_fuzz_fuzz_recipients_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_reply_SOURCES = tests/fuzz/fuzz_reply.c $(fuzz_main)
tests_fuzz_fuzz_reply_LDADD = $(fuzz_libs)
# on doubles, which take the place of the library's
fuzz_doubles = -I$(top_srcdir)/tests/unit
fuzz_worker = tests/fuzz/fake_worker.c
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(fuzz_main)
tests_fuzz_fuzz_conf_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz_control.c \
	tests/unit/fake_dispatch.c tests/unit/fake_dispatch.h $(fuzz_main)
tests_fuzz_fuzz_control_CPPFLAGS = $(AM_CPPFLAGS) $(fuzz_doubles)
tests_fuzz_fuzz_control_LDADD = $(fuzz_libs)
fuzz_spool = tests/fuzz/fuzz_spool.c tests/fuzz/fuzz_spool.h $(fuzz_worker)
tests_fuzz_fuzz_journal_SOURCES = \
	tests/fuzz/fuzz_journal.c $(fuzz_spool) $(fuzz_main)
tests_fuzz_fuzz_journal_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_link_SOURCES = \
	tests/fuzz/fuzz_link.c $(fuzz_spool) $(fuzz_main)
tests_fuzz_fuzz_link_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_queue_SOURCES = \
	tests/fuzz/fuzz_queue.c $(fuzz_spool) $(fuzz_main)
tests_fuzz_fuzz_queue_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_session_SOURCES = tests/fuzz/fuzz_session.c \
	tests/fuzz/fake_login.c tests/fuzz/fake_login.h \
	tests/fuzz/session_rig.c tests/fuzz/session_rig.h \
	$(session_setup) $(fuzz_worker) $(fuzz_main)
tests_fuzz_fuzz_session_CPPFLAGS = $(AM_CPPFLAGS) $(fuzz_doubles)
tests_fuzz_fuzz_session_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_state_SOURCES = \
	tests/fuzz/fuzz_state.c $(fuzz_spool) $(fuzz_main)
tests_fuzz_fuzz_state_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_upstream_SOURCES = tests/fuzz/fuzz_upstream.c \
	tests/fuzz/fuzz_deliveries.c tests/fuzz/fuzz_deliveries.h \
	tests/fuzz/fake_tls_client.c tests/fuzz/fake_tls_client.h $(fuzz_main)
tests_fuzz_fuzz_upstream_LDADD = $(fuzz_libs)

EXTRA_DIST += tests/fuzz/corpus tests/fuzz/dict tests/fuzz/run

# each for FUZZ_SECONDS; what breaks one is left in fuzz-work/
fuzz: $(fuzz_targets)
	$(SHELL) $(srcdir)/tests/fuzz/run $(fuzz_targets)
.PHONY: fuzz
