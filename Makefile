# The front door. Each target installs what it needs (tools/packages), sets up a build with meson and runs.
#
#   make demo          boots a Linux guest whose devices stand on this host: talk to it, or pipe the output
#   make test          every test, with the address and undefined behaviour sanitizers
#   make test-long     the same with full counts, ten minutes of soak, and fuzzing
#   make check-format  whether clang-format would change a file
#   make tidy          clang-tidy
#   make clean         removes the builds

JOBS ?= $(shell nproc)
DEMO_BUILD = build-demo
TEST_BUILD = build-test
TIDY_BUILD = build-tidy

.DELETE_ON_ERROR:
.PHONY: demo test test-long check-format tidy clean

demo:
	tools/install-packages build demo
	@[ -d $(DEMO_BUILD) ] || meson setup $(DEMO_BUILD) -Dtests=false >/dev/null
	@ninja -C $(DEMO_BUILD) -j $(JOBS) --quiet
	@CHARDEV_BUILD=$(DEMO_BUILD) tools/demo

test:
	tools/install-packages build test
	@[ -d $(TEST_BUILD) ] || meson setup $(TEST_BUILD) -Db_sanitize=address,undefined
	ninja -C $(TEST_BUILD) -j $(JOBS)
	@tests/run $(TEST_BUILD) --jobs $(JOBS)

test-long:
	tools/install-packages build test
	@[ -d $(TEST_BUILD) ] || meson setup $(TEST_BUILD) -Db_sanitize=address,undefined
	ninja -C $(TEST_BUILD) -j $(JOBS)
	@tests/run $(TEST_BUILD) --long --jobs $(JOBS)

check-format:
	tools/install-packages lint
	git ls-files '*.[ch]' | xargs clang-format --dry-run -Werror

tidy:
	tools/install-packages build test lint
	@[ -d $(TIDY_BUILD) ] || CC=clang meson setup $(TIDY_BUILD)
	ninja -C $(TIDY_BUILD) -j $(JOBS)
	tools/tidy $(TIDY_BUILD) $(JOBS)

clean:
	rm -rf $(DEMO_BUILD) $(TEST_BUILD) $(TIDY_BUILD)
