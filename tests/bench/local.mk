# tests/bench/local.mk - programs that measure; `make bench` prints the table of
# BENCHMARKS.md. `make check` builds them too, for its scenarios of cost.
bench_programs = \
	tests/bench/disk \
	tests/bench/load \
	tests/bench/sink
check_PROGRAMS += $(bench_programs)

bench_tool = tests/bench/tool.c tests/bench/tool.h
tests_bench_disk_SOURCES = tests/bench/disk.c $(bench_tool)
tests_bench_load_SOURCES = tests/bench/load.c $(bench_tool)
tests_bench_sink_SOURCES = \
	tests/bench/sink.c \
	tests/bench/sink.h \
	tests/bench/sink_protocol.c \
	$(bench_tool)

EXTRA_DIST += \
	tests/bench/gmrelayd.sh
