/*
 * main.c - the options of gmrelayd(8); nothing else.
 */
#include "config.h"

#include "base/log.h"
#include "parent/check.h"
#include "parent/parent.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

static const char usage[] =
	"usage: gmrelayd [-hpstVv] [-c FILE]\n"
	"  -c FILE  configuration (default " SYSCONFDIR
	"/gmrelayd/gmrelayd.conf)\n"
	"  -h       this text\n"
	"  -p       prepare: make what is missing of the spool, and end\n"
	"  -s       log to syslog instead of stderr\n"
	"  -t       check the configuration and the files it names\n"
	"  -V       print the version\n"
	"  -v       log more\n"
	"It runs in the foreground. See gmrelayd(8), gmrelayd.conf(5).\n";

int main(int argc, char **argv)
{
	struct parent_options options = {
		.file = SYSCONFDIR "/gmrelayd/gmrelayd.conf",
		.log_level = LOG_LEVEL_INFO,
	};
	bool check_only = false, prepare_only = false;
	int option;

	while ((option = getopt(argc, argv, "c:hpstVv")) != -1) {
		switch (option) {
		case 'c':
			options.file = optarg;
			break;
		case 'h':
			return fputs(usage, stdout) < 0;
		case 'p':
			prepare_only = true;
			break;
		case 's':
			options.to_syslog = true;
			break;
		case 't':
			check_only = true;
			break;
		case 'V':
			return puts("gmrelayd " PACKAGE_VERSION) < 0;
		case 'v':
			options.log_level = LOG_LEVEL_DEBUG;
			break;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "gmrelayd: what is \"%s\"?\n%s", argv[optind],
			usage);
		return EXIT_USAGE;
	}
	log_open(options.log_level, options.to_syslog);
	if (check_only)
		return check_main(options.file);
	return prepare_only ? parent_prepare(&options) : parent_run(&options);
}
