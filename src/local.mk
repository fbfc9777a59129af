# src/local.mk - libgmrelay.a is all but the programs' own files; daemon, tools
# and tests link it. Keep the lists sorted.
noinst_LIBRARIES += libgmrelay.a

libgmrelay_a_SOURCES = \
	src/base/buf.c \
	src/base/buf.h \
	src/base/channel.c \
	src/base/channel.h \
	src/base/client_record.c \
	src/base/client_record.h \
	src/base/conf.c \
	src/base/conf.h \
	src/base/conf_check.c \
	src/base/conf_check_client.c \
	src/base/conf_internal.h \
	src/base/conf_listen.c \
	src/base/conf_name.c \
	src/base/conf_nearest.c \
	src/base/conf_net.c \
	src/base/conf_report.c \
	src/base/conf_text.c \
	src/base/conf_value.c \
	src/base/conf_walk.c \
	src/base/counters.c \
	src/base/counters.h \
	src/base/credential.c \
	src/base/credential.h \
	src/base/date.c \
	src/base/date.h \
	src/base/err.c \
	src/base/err.h \
	src/base/hash.c \
	src/base/hash.h \
	src/base/log.c \
	src/base/log.h \
	src/base/password_hash.c \
	src/base/password_hash.h \
	src/base/quirk.c \
	src/base/quirk.h \
	src/base/role.h \
	src/base/secret_file.c \
	src/base/secret_file.h \
	src/base/sender_policy.h \
	src/base/util.c \
	src/base/util.h \
	src/base/worker.c \
	src/base/worker.h \
	src/parent/alert.c \
	src/parent/alert.h \
	src/parent/check.c \
	src/parent/check.h \
	src/parent/child.c \
	src/parent/child.h \
	src/parent/listen.c \
	src/parent/listen.h \
	src/parent/names.c \
	src/parent/names.h \
	src/parent/notify.c \
	src/parent/notify.h \
	src/parent/parent.c \
	src/parent/parent.h \
	src/parent/parent_internal.h \
	src/parent/privs.c \
	src/parent/privs.h \
	src/parent/reload.c \
	src/parent/setup.c \
	src/parent/spooldir.c \
	src/parent/spooldir.h \
	src/parent/unixsock.c \
	src/parent/unixsock.h \
	src/proto/address.c \
	src/proto/address.h \
	src/proto/aliases.c \
	src/proto/aliases.h \
	src/proto/body.c \
	src/proto/body.h \
	src/proto/command.c \
	src/proto/command.h \
	src/proto/header.c \
	src/proto/header.h \
	src/proto/header_block.c \
	src/proto/header_encode.c \
	src/proto/header_encode.h \
	src/proto/header_field.c \
	src/proto/header_field.h \
	src/proto/header_fold.c \
	src/proto/header_fold.h \
	src/proto/header_qualify.c \
	src/proto/header_qualify.h \
	src/proto/line.c \
	src/proto/line.h \
	src/proto/local.c \
	src/proto/local.h \
	src/proto/mailbox.c \
	src/proto/mailbox.h \
	src/proto/mailbox_element.c \
	src/proto/mailbox_internal.h \
	src/proto/mailbox_list.c \
	src/proto/mailbox_list.h \
	src/proto/reply.c \
	src/proto/reply.h \
	src/proto/rfc2047.c \
	src/proto/rfc2047.h \
	src/proto/rfc2047_decode.c \
	src/proto/rfc2047_decode.h \
	src/proto/rfc2231.c \
	src/proto/rfc2231.h \
	src/proto/sender.c \
	src/proto/sender.h \
	src/proto/sender_name.c \
	src/proto/sender_name.h \
	src/receiver/auth.c \
	src/receiver/auth.h \
	src/receiver/brake.c \
	src/receiver/brake.h \
	src/receiver/census.c \
	src/receiver/census.h \
	src/receiver/clients.c \
	src/receiver/clients.h \
	src/receiver/intake.c \
	src/receiver/intake.h \
	src/receiver/mail.c \
	src/receiver/mail.h \
	src/receiver/receiver.c \
	src/receiver/receiver.h \
	src/receiver/replies.c \
	src/receiver/replies.h \
	src/receiver/secrets.c \
	src/receiver/secrets.h \
	src/receiver/session.c \
	src/receiver/session.h \
	src/receiver/session_internal.h \
	src/receiver/session_message.c \
	src/receiver/session_tls.c \
	src/receiver/tls.c \
	src/receiver/tls.h \
	src/receiver/tolerance.c \
	src/receiver/tolerance.h \
	src/receiver/transport.c \
	src/receiver/transport.h \
	src/receiver/users.c \
	src/receiver/users.h \
	src/receiver/verbs.c \
	src/receiver/verbs.h \
	src/relay/account.c \
	src/relay/account.h \
	src/relay/account_connect.c \
	src/relay/account_internal.h \
	src/relay/account_state.c \
	src/relay/auth.c \
	src/relay/auth.h \
	src/relay/control.c \
	src/relay/control.h \
	src/relay/control_client.h \
	src/relay/control_commands.c \
	src/relay/control_doctor.c \
	src/relay/control_json.c \
	src/relay/control_json.h \
	src/relay/control_stream.c \
	src/relay/control_stream.h \
	src/relay/delivery.h \
	src/relay/dispatch.c \
	src/relay/dispatch.h \
	src/relay/dispatch_damaged.c \
	src/relay/dispatch_disk.c \
	src/relay/dispatch_hand.c \
	src/relay/dispatch_internal.h \
	src/relay/dispatch_report.c \
	src/relay/dispatch_send.c \
	src/relay/dispatch_start.c \
	src/relay/dispatch_verdict.c \
	src/relay/dispatch_verdict.h \
	src/relay/gmail.c \
	src/relay/gmail.h \
	src/relay/ledger.c \
	src/relay/ledger.h \
	src/relay/probe.c \
	src/relay/probe.h \
	src/relay/relay.c \
	src/relay/relay.h \
	src/relay/report.c \
	src/relay/report.h \
	src/relay/report_parts.c \
	src/relay/report_parts.h \
	src/relay/report_text.c \
	src/relay/report_text.h \
	src/relay/report_words.c \
	src/relay/resolve.c \
	src/relay/resolve.h \
	src/relay/schedule.c \
	src/relay/schedule.h \
	src/relay/tls.c \
	src/relay/tls.h \
	src/relay/tls_internal.h \
	src/relay/tls_words.c \
	src/relay/upstream.c \
	src/relay/upstream.h \
	src/relay/upstream_ahead.c \
	src/relay/upstream_body.c \
	src/relay/upstream_internal.h \
	src/relay/upstream_login.c \
	src/relay/upstream_mail.c \
	src/relay/upstream_states.c \
	src/spool/content.c \
	src/spool/content.h \
	src/spool/draft.c \
	src/spool/envelope.c \
	src/spool/envelope.h \
	src/spool/journal.c \
	src/spool/journal.h \
	src/spool/journal_mark.c \
	src/spool/journal_read.c \
	src/spool/journal_read.h \
	src/spool/journal_read_internal.h \
	src/spool/journal_scan.c \
	src/spool/journal_stock.c \
	src/spool/journal_write.c \
	src/spool/journal_write.h \
	src/spool/journal_write_internal.h \
	src/spool/link.c \
	src/spool/link.h \
	src/spool/queue.c \
	src/spool/queue.h \
	src/submit/client.c \
	src/submit/client.h \
	src/submit/drop_format.c \
	src/submit/drop_format.h

# what every program links
gmrelay_libs = \
	libgmrelay.a \
	$(EVENT_OPENSSL_LIBS) $(EVENT_LIBS) $(OPENSSL_LIBS) \
	$(CONFUSE_LIBS) $(CRYPT_LIBS) $(JANSSON_LIBS)

# The programs: take the hash signs away when the file with main() is there.
sbin_PROGRAMS += src/gmrelayd
src_gmrelayd_SOURCES = src/main.c
src_gmrelayd_LDADD = $(gmrelay_libs)

sbin_PROGRAMS += src/gmrelayctl
src_gmrelayctl_SOURCES = \
	src/ctl/client.c \
	src/ctl/client.h \
	src/ctl/clients.c \
	src/ctl/ctl.h \
	src/ctl/doctor.c \
	src/ctl/doctor_local.c \
	src/ctl/finding.h \
	src/ctl/json.c \
	src/ctl/json.h \
	src/ctl/main.c \
	src/ctl/queue.c \
	src/ctl/queue_show.c \
	src/ctl/smtp.c \
	src/ctl/smtp.h \
	src/ctl/spool.c \
	src/ctl/spool_journal.c \
	src/ctl/spool_scan.c \
	src/ctl/spool_scan.h \
	src/ctl/spool_scan_internal.h \
	src/ctl/status.c \
	src/ctl/table.c \
	src/ctl/test.c \
	src/ctl/text.c \
	src/ctl/text.h
src_gmrelayctl_LDADD = $(gmrelay_libs)

# The command links the archive alone: what would need a library besides libc
# does not get in.
bin_PROGRAMS += src/gmrelay-sendmail
src_gmrelay_sendmail_SOURCES = \
	src/sendmail/deliver.c \
	src/sendmail/deliver.h \
	src/sendmail/drop.c \
	src/sendmail/drop.h \
	src/sendmail/main.c \
	src/sendmail/message.c \
	src/sendmail/message.h \
	src/sendmail/options.c \
	src/sendmail/options.h \
	src/sendmail/pump.c \
	src/sendmail/pump.h \
	src/sendmail/recipients.c \
	src/sendmail/recipients.h \
	src/sendmail/rights.c \
	src/sendmail/rights.h
src_gmrelay_sendmail_LDADD = libgmrelay.a
