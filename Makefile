# A thin door to meson and the scripts in tools/. `make help` lists what there is.

BUILD   ?= build
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
ifeq ($(origin CC),default)
CC := $(if $(shell command -v ccache 2>/dev/null),ccache gcc,gcc)
endif
export CC

RELEASE := $(BUILD)/release
ASAN    := $(BUILD)/asan

.PHONY: help run build asan test test-long bench fuzz check install clean setup

help:
	@echo 'make run        build and start the demo server (data in ./build/demo or $$YIZHAN_DATA)'
	@echo 'make build      the hardened release binary: build/release/yizhan'
	@echo 'make test       everything that shows the system works, at most 12 minutes'
	@echo 'make test-long  the same with long crash, fuzz and load rounds'
	@echo 'make bench      measure, next to Postfix where it is there'
	@echo 'make fuzz       every fuzzer for FUZZ_SECONDS (60)'
	@echo 'make check      floors, format, banned calls, sizes, links, fibers'
	@echo 'make install    to PREFIX (/usr/local), below DESTDIR'
	@echo 'make clean      remove build/ but not the demo data'

setup:
	@tools/setup

run: build
	exec $(RELEASE)/yizhan serve --data "$${YIZHAN_DATA:-./build/demo}"

build:
	@tools/setup --run
	@tools/build $(RELEASE) --buildtype=release -Dhardened=true -Dtests=false --prefix=$(PREFIX)

asan:
	@tools/setup
	@tools/build $(ASAN) -Db_sanitize=address,undefined

test:
	@tools/setup
	@tests/peers/fetch --dns
	@[ "$$(id -u)" != 0 ] || tests/peers/fetch --users
	@tools/test

test-long:
	@tools/setup --run --test --interop
	@tools/test --long

bench: build
	@tools/setup --bench
	@bench/run

fuzz:
	@tools/setup --run --test
	@tools/fuzz --seconds $${FUZZ_SECONDS:-60}

check:
	@tools/check

install: build
	@DESTDIR="$(DESTDIR)" meson install -C $(RELEASE) --no-rebuild

clean:
	rm -rf $(RELEASE) $(ASAN) $(BUILD)/fuzz $(BUILD)/fiber $(BUILD)/test-results
