# The front door: `make help` lists what it does. Everything is built below build/.
SHELL := /bin/bash
.DEFAULT_GOAL := help

JOBS ?= $(shell nproc)
ARGS ?=
FUZZ_SECONDS ?= 60
# End-to-end tests wait more than they compute.
TEST_JOBS ?= $(shell echo $$(($(JOBS) + 1)))
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
# Packages are installed by need; DEPS=0 skips even the look at what is there.
DEPS ?= 1

launcher = $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
install = $(if $(filter 0,$(DEPS)),true,tools/install_deps.sh)
fuzzers = $(basename $(notdir $(wildcard fuzz/*_fuzz.cc)))
build = $(call configure,$(1)) && cmake --build --preset $(1) --parallel $(JOBS)
# CMake configures anew by itself when a CMakeLists.txt changes, but not for the presets.
configure = { [ build/$(1)/build.ninja -nt CMakePresets.json ] || \
	{ cmake --preset $(1) $(launcher) && touch build/$(1)/build.ninja; }; }

.NOTPARALLEL:
.PHONY: help run build dev install test unit e2e sanitize fuzz bench lint fmt tidy clean build-deps test-deps

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | \
	  while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

run: build-deps  ## install what is missing, build, serve on 127.0.0.1:11211 (ARGS="-m 1g -t 2")
	@$(call configure,release) && \
	  cmake --build --preset release --parallel $(JOBS) --target minosd
	build/release/minosd $(ARGS)

build: build-deps  ## build everything optimised into build/release
	@$(call build,release)

dev: build-deps  ## build everything with checks into build/dev
	@$(call build,dev)

install: build  ## install the client library, for find_package(Minos) and pkg-config (PREFIX=/usr/local)
	cmake --install build/release --prefix $(PREFIX) --component client

test: test-deps unit lint e2e  ## all that gates a change: unit tests, lint, end-to-end tests

unit: build
	ctest --preset release --parallel $(JOBS)

e2e: build
	MINOSD=$(CURDIR)/build/release/minosd $(PYTHON) -m pytest -q -n $(TEST_JOBS) --dist loadgroup tests $(ARGS)

# What runs under sanitizers: everything that parses, stores or shares. Tests of single-threaded code
# have nothing to show under TSan. The connection fuzzer splits input under ASan, and the end-to-end
# tests play the transcripts to a whole server.
asan_tests = store wire worker transport transport_frame
tsan_tests = ring store worker transport
sanitized = $(call build,$(1)) --target minosd $(foreach t,$(2),minos_$(t)_test) && \
  ctest --preset $(1) --parallel $(JOBS) --exclude-regex "_NOT_BUILT$(3)"

sanitize: test-deps  ## unit tests under ASan + UBSan and under TSan, end-to-end tests under both
	@$(call sanitized,asan,$(asan_tests))
	@$(call sanitized,tsan,$(tsan_tests),|StoreGrowth|StoreModel|StoreMemory)
	MINOSD=$(CURDIR)/build/asan/minosd $(PYTHON) -m pytest -q -n $(TEST_JOBS) --dist loadgroup tests/e2e -m sanitized
	MINOSD=$(CURDIR)/build/tsan/minosd $(PYTHON) -m pytest -q -n $(TEST_JOBS) --dist loadgroup tests/e2e -m sanitized

fuzz: test-deps  ## run each fuzzer of fuzz/ for FUZZ_SECONDS=60, from its corpus on
	@$(call build,asan) --target $(fuzzers)
	tools/run_fuzzers.sh build/asan $(FUZZ_SECONDS)

bench: test-deps build  ## compare with memcached side by side (ARGS=... goes to the script)
	$(PYTHON) bench/side_by_side.py $(ARGS)

lint: test-deps  ## house rules and formatting
	@tools/lint.py

fmt: test-deps  ## format all C++
	@tools/lint.py --fix-format

tidy: test-deps  ## clang-tidy over all of it (CHANGED=1: only what differs from HEAD)
	@$(call configure,clang)
	tools/tidy.sh build/clang $(JOBS) $(if $(CHANGED),--changed)

clean:  ## remove build/
	rm -rf build

build-deps:
	@$(install) build

test-deps:
	@$(install) build test
