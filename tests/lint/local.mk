# tests/lint/local.mk - `make lint`: style is a program, not an opinion.
# LINT_STEPS="format includes" runs these steps only.
EXTRA_DIST += \
	tests/lint/conf_vs_man.py \
	tests/lint/includes.py \
	tests/lint/lessons.py \
	tests/lint/limits.py \
	tests/lint/log_vs_man.py \
	tests/lint/queue.h \
	tests/lint/run

lint: config.h
	@top_builddir='$(abs_top_builddir)' CC='$(CC)' PYTHON3='$(PYTHON3)' \
	bash $(top_srcdir)/tests/lint/run $(LINT_STEPS)
.PHONY: lint
