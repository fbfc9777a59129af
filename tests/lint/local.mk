# tests/lint/local.mk - `make lint`: style is a program, not an opinion.
EXTRA_DIST += \
	tests/lint/includes.py \
	tests/lint/limits.py \
	tests/lint/run

lint:
	top_builddir='$(abs_top_builddir)' \
	$(SHELL) $(top_srcdir)/tests/lint/run $(LINT_STEPS)
.PHONY: lint
