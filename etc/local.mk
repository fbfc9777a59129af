# etc/local.mk - what `make install` puts beside the programs: the sample
# configuration, manual pages, systemd's files.
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d

EXTRA_DIST += etc/gmrelayd.conf man/gmrelayd.conf.5
