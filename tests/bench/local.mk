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
	tests/bench/bench.py \
	tests/bench/cases.py \
	tests/bench/gmrelayd.sh \
	tests/bench/peers.py

# ROUNDS=1 ONLY=accept20,deliver and more: see the head of bench.py
bench: all $(bench_programs)
	@top_builddir='$(abs_top_builddir)' \
	GMRELAYD='$(abs_top_builddir)/src/gmrelayd' \
	GMRELAYCTL='$(abs_top_builddir)/src/gmrelayctl' \
	$(PYTHON3) -B $(srcdir)/tests/bench/bench.py
.PHONY: bench
