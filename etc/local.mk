# etc/local.mk - what `make install` puts beside the programs: the sample
# configuration, manual pages, systemd's files.
EXTRA_DIST += \
	etc/gmrelayd.conf \
	systemd/gmrelayd.service.in \
	systemd/gmrelayd.socket \
	systemd/gmrelayd.sysusers.conf \
	systemd/gmrelayd.tmpfiles.conf.in

dist_man_MANS = \
	man/gmrelay-sendmail.1 \
	man/gmrelayctl.8 \
	man/gmrelayd-clients.7 \
	man/gmrelayd-spool.5 \
	man/gmrelayd.8 \
	man/gmrelayd.conf.5

# --- systemd: directories are known only to make, so make fills them in
if SYSTEMD
systemdsystemunit_DATA = systemd/gmrelayd.socket
nodist_systemdsystemunit_DATA = systemd/gmrelayd.service
endif
CLEANFILES += systemd/gmrelayd.service

systemd/gmrelayd.service: $(top_srcdir)/systemd/gmrelayd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	$(SED) -e 's,[@]sbindir@,$(sbindir),g' \
		-e 's,[@]sysconfdir@,$(sysconfdir),g' \
		$(top_srcdir)/systemd/gmrelayd.service.in > $@.new && mv $@.new $@

confdir = $(sysconfdir)/gmrelayd
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d

# The configuration is the user's: an existing one is never touched, and only
# one that is as we installed it is removed.
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(confdir)'
	test -e '$(DESTDIR)$(confdir)/gmrelayd.conf' || \
		$(INSTALL_DATA) '$(top_srcdir)/etc/gmrelayd.conf' \
			'$(DESTDIR)$(confdir)/gmrelayd.conf'
if SYSTEMD
	$(MKDIR_P) '$(DESTDIR)$(sysusersdir)' '$(DESTDIR)$(tmpfilesdir)'
	$(INSTALL_DATA) '$(top_srcdir)/systemd/gmrelayd.sysusers.conf' \
		'$(DESTDIR)$(sysusersdir)/gmrelayd.conf'
	$(SED) -e 's,[@]bindir@,$(bindir),g' \
		'$(top_srcdir)/systemd/gmrelayd.tmpfiles.conf.in' \
		>'$(DESTDIR)$(tmpfilesdir)/gmrelayd.conf'
endif

# sendmail's names, only when asked for: another mail system may own them. What
# is there already stays.
install-exec-hook:
	if test -n '$(DESTDIR)' || \
		! chgrp gmrelay-drop '$(bindir)/gmrelay-sendmail' 2>/dev/null || \
		! chmod 2755 '$(bindir)/gmrelay-sendmail'; then \
		echo 'For mail while the daemon is down, gmrelay-sendmail needs' \
			'group gmrelay-drop and mode 2755:' \
			'systemd-sysusers && systemd-tmpfiles --create'; \
	fi
if SENDMAIL_LINKS
	$(MKDIR_P) '$(DESTDIR)$(sbindir)' '$(DESTDIR)$(bindir)'
	for link in '$(sbindir)/sendmail' '$(bindir)/mailq' \
		'$(bindir)/newaliases'; do \
		test -e "$(DESTDIR)$$link" || test -L "$(DESTDIR)$$link" || \
			$(LN_S) '$(bindir)/gmrelay-sendmail' \
				"$(DESTDIR)$$link" || exit 1; \
	done
endif

# Links of ours alone.
uninstall-hook:
	for link in '$(sbindir)/sendmail' '$(bindir)/mailq' \
		'$(bindir)/newaliases'; do \
		if test "$$(readlink "$(DESTDIR)$$link")" = \
			'$(bindir)/gmrelay-sendmail'; then \
			rm -f "$(DESTDIR)$$link"; \
		fi; \
	done

uninstall-local:
	if cmp -s '$(top_srcdir)/etc/gmrelayd.conf' \
		'$(DESTDIR)$(confdir)/gmrelayd.conf'; then \
		rm -f '$(DESTDIR)$(confdir)/gmrelayd.conf'; \
		rmdir '$(DESTDIR)$(confdir)' 2>/dev/null || :; \
	fi
	rm -f '$(DESTDIR)$(sysusersdir)/gmrelayd.conf' \
		'$(DESTDIR)$(tmpfilesdir)/gmrelayd.conf'
