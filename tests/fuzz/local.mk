# tests/fuzz/local.mk - fuzz targets: fuzz_NAME.c, corpus/NAME/, dict/NAME where
# words help. With --enable-fuzzing libFuzzer drives them (`make fuzz`); without,
# `make check` runs them over their corpora. Keep the lists sorted.
fuzz_targets = \
	tests/fuzz/fuzz_address \
	tests/fuzz/fuzz_aliases \
	tests/fuzz/fuzz_body \
	tests/fuzz/fuzz_command \
	tests/fuzz/fuzz_drop \
	tests/fuzz/fuzz_envelope \
	tests/fuzz/fuzz_header \
	tests/fuzz/fuzz_line \
	tests/fuzz/fuzz_list \
	tests/fuzz/fuzz_mailbox \
	tests/fuzz/fuzz_proxy \
	tests/fuzz/fuzz_recipients \
	tests/fuzz/fuzz_reply

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

EXTRA_DIST += tests/fuzz/corpus tests/fuzz/dict tests/fuzz/run

# each for FUZZ_SECONDS; what breaks one is left in fuzz-work/
fuzz: $(fuzz_targets)
	$(SHELL) $(srcdir)/tests/fuzz/run $(fuzz_targets)
.PHONY: fuzz
