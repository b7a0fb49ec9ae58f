# unibus: one non-recursive Makefile; each folder's module.mk says what it is made of.
#
#   make            the programs and the library, build/release/
#   make up         a running bus on this machine, everything set up on the first run
#   make test       all tests in the release build
#   make check      make test + sanitizers + lint: what CI runs
#   make help       the rest

VARIANT ?= release
B := build/$(VARIANT)
WERROR ?= -Werror
PKGS := libsodium jansson libcurl openssl sqlite3 libmicrohttpd gnutls

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wredundant-decls -Wwrite-strings -Wcast-qual \
	-Wcast-align -Wpointer-arith -Wformat=2 -Wundef -Wvla -Walloca -Wnull-dereference \
	-Wdouble-promotion -Wswitch-enum -Wimplicit-fallthrough -Wdate-time
WARN_GCC := -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wformat-overflow=2
WARN_CLANG := -Wcomma -Wno-gnu-statement-expression -Wno-string-concatenation
HARDEN := -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection=full
HARDEN_GCC := -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr
HARDEN_LD := -Wl,-z,relro,-z,now,-z,noexecstack

CPPFLAGS += -D_GNU_SOURCE -Ilibunibus -Ilibunibus/include -I.
CFLAGS_ALL := -std=gnu11 -g -fPIC -fvisibility=hidden -fno-common -pthread -MMD -MP
LDFLAGS_ALL := -pthread

ifeq ($(VARIANT),release)
CC := gcc
CFLAGS_V := $(HARDEN) $(HARDEN_GCC) $(WARN) $(WARN_GCC)
LDFLAGS_V := $(HARDEN_LD)
else ifeq ($(VARIANT),asan)
CC := gcc
CFLAGS_V := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	$(WARN) $(WARN_GCC)
LDFLAGS_V := -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
CC := clang
CFLAGS_V := -O1 -fno-omit-frame-pointer -fsanitize=thread $(WARN) $(WARN_CLANG)
LDFLAGS_V := -fsanitize=thread
else ifeq ($(VARIANT),fuzz)
CC := clang
CFLAGS_V := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined $(WARN) \
	$(WARN_CLANG)
LDFLAGS_V := -fsanitize=fuzzer-no-link,address,undefined
else ifeq ($(VARIANT),analyze)
CC := gcc
CFLAGS_V := -O1 -fanalyzer $(WARN) $(WARN_GCC)
LDFLAGS_V :=
else
$(error VARIANT is one of release, asan, tsan, fuzz, analyze)
endif

# Packages are asked for only once they are installed: `make deps` and what calls it come first.
ifeq ($(shell pkg-config --exists $(PKGS) 2>/dev/null && echo yes),yes)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
LIBS_CORE := $(shell pkg-config --libs libsodium jansson)
LIBS_CLIENT := $(shell pkg-config --libs libcurl) -lnats $(LIBS_CORE)
LIBS_SUPPORT := $(shell pkg-config --libs libmicrohttpd gnutls openssl)
LIBS_MD := $(shell pkg-config --libs sqlite3) -lnats $(LIBS_SUPPORT) $(LIBS_CORE)
endif

.PHONY: all
all: programs

# $(call archive,NAME,SOURCES): build/<variant>/libNAME.a from SOURCES
define archive
$(1)_OBJS := $$(patsubst %.c,$$(B)/obj/%.o,$(2))
OBJS += $$($(1)_OBJS)
$$(B)/lib$(1).a: $$($(1)_OBJS)
	@rm -f $$@
	@ar rcs $$@ $$^
endef

# $(call program,NAME,SOURCES,ARCHIVES,LIBS): build/<variant>/NAME
define program
$(1)_OBJS := $$(patsubst %.c,$$(B)/obj/%.o,$(2))
OBJS += $$($(1)_OBJS)
PROGRAMS += $$(B)/$(1)
$$(B)/$(1): $$($(1)_OBJS) $$(patsubst %,$$(B)/lib%.a,$(3))
	@mkdir -p $$(@D)
	@echo "LD $$@"
	@$$(CC) $$(LDFLAGS_ALL) $$(LDFLAGS_V) $$(LDFLAGS) -pie -o $$@ $$($(1)_OBJS) \
		-Wl,--start-group $$(patsubst %,$$(B)/lib%.a,$(3)) -Wl,--end-group $(4)
endef

# What a program that is a peer links with: the shared library beside it.
PEER_LIBS = $(B)/libunibus.so -Wl,-rpath,'$$ORIGIN' $(LIBS_SUPPORT) $(LIBS_CORE)

include libunibus/module.mk
include membershipd/module.mk
include clientcheck/module.mk
include tests/module.mk
include deploy/module.mk
include libunibus/install.mk

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "CC $<"
	@$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS_ALL) $(CFLAGS_V) $(WERROR) $(CFLAGS) $(CPPFLAGS_$(firstword $(subst /, ,$<))) \
		-c -o $@ $<

.PHONY: programs
programs: $(PROGRAMS) $(B)/libunibus.so $(B)/libunibus.a
	@:

.PHONY: deps
deps:
	@sh deploy/deps.sh

.PHONY: clean
clean:
	rm -rf build/release build/asan build/tsan build/fuzz build/analyze

.PHONY: help
help:
	@sed -n '/^# unibus:/,/^$$/s/^# \{0,1\}//p' Makefile
	@echo "                  (UNIBUS_RUN_DIR, UNIBUS_HTTP_PORT, UNIBUS_NATS_PORT, UNIBUS_WEB_PORT move make up)"
	@echo "  make asan|tsan  the tests under that sanitizer"
	@echo "  make lint       formatting, layers, budgets, headers, exported names, shell"
	@echo "  make analyze    gcc -fanalyzer over core, domain and support"
	@echo "  make fuzz       libFuzzer targets, FUZZ_SECONDS each"
	@echo "  make soak       servers killed under load, SOAK_SECONDS for each test"
	@echo "  make bench      measurements, build/bench.json"
	@echo "  make format     clang-format everything in place"
	@echo "  make deps       install what is missing (deploy/deps.sh)"
	@echo "  make install    (PREFIX=/usr/local, DESTDIR=, LIBDIR= ...: libunibus/install.mk); make uninstall"

-include $(OBJS:.o=.d)
