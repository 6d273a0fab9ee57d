# SPDX-License-Identifier: ISC
#
# Read from top to bottom: settings, libraries, rooms, programs, the four
# rules, tests, installation.  One file, no recursion over directories.
#
#	make			the programs
#	make demo		install what is missing, build, show the main job
#	make check		install what is missing, build, run the tests
#	make bench		speed, as ratios against well-known tools
#	make lint		warnings of two compilers, manual pages, scripts
#	make install		under DESTDIR, PREFIX, BINDIR, MANDIR
#	make deps		install Debian's packages, or name them
#
# CC, CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS are taken from outside.
# SANITIZE=address,undefined builds and tests with those sanitizers.

.DEFAULT_GOAL = all

VERSION = 0.1.0
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
MANDIR = $(PREFIX)/share/man
DOCDIR = $(PREFIX)/share/doc/d4
PKG_CONFIG = pkg-config

CFLAGS ?= -O2 -g
SANITIZE =
STD = -std=c11
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wmissing-prototypes \
    -Wstrict-prototypes -Wsign-conversion -Wwrite-strings -Wpointer-arith \
    -Wundef -Wvla -Wformat=2
HARDEN = -fstack-protector-strong -fPIE
LDHARDEN = -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(SANITIZE),)
# FORTIFY_SOURCE needs an optimising build and does not go with sanitizers.
ifneq ($(filter -O1 -O2 -O3 -Os,$(CFLAGS)),)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
else
HARDEN += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
    -fno-sanitize-recover=all
LDHARDEN += -fsanitize=$(SANITIZE)
endif

OS = $(if $(filter Linux,$(shell uname -s)),linux,posix)
DEFINES = -I. -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE \
    -DD4_VERSION='"$(VERSION)"'

# -- libraries: each behind one door (lib/NAME.c) ----------------------------

CRYPTO = $(shell $(PKG_CONFIG) --libs libcrypto 2>/dev/null || echo -lcrypto)
UUID = $(shell $(PKG_CONFIG) --libs uuid 2>/dev/null || echo -luuid)
JSON = $(shell $(PKG_CONFIG) --libs jansson 2>/dev/null || echo -ljansson)

PCAP = $(shell $(PKG_CONFIG) --libs libpcap 2>/dev/null || echo -lpcap)
REDIS = $(shell $(PKG_CONFIG) --libs hiredis 2>/dev/null || echo -lhiredis)
# zlib always; isa-l and libzstd when they are there.
GZ_ISAL = $(shell $(PKG_CONFIG) --exists libisal 2>/dev/null && echo isal)
GZ_ZSTD = $(shell $(PKG_CONFIG) --exists libzstd 2>/dev/null && echo zstd)
GZ = $(shell $(PKG_CONFIG) --libs zlib $(GZ_ISAL:%=lib%) $(GZ_ZSTD:%=lib%) \
    2>/dev/null || echo -lz)
lib/gz.o: DEFINES += $(if $(GZ_ISAL),-DD4_WITH_ISAL) \
    $(if $(GZ_ZSTD),-DD4_WITH_ZSTD)

# -- rooms of the library -----------------------------------------------------

ROOMS = header mac uuid type feed border meta io record conf stop log \
    os-$(OS) redis queue queue-dir queue-redis gz gz-zlib \
    $(GZ_ISAL:%=gz-%) $(GZ_ZSTD:%=gz-%)
LIB = lib/libd4.a

# -- programs -----------------------------------------------------------------

PROGS = d4/d4 d4-recv/d4-recv d4-pibs/d4-pibs

d4/d4: d4/main.o d4/settings.o d4/encap.o
d4/d4: LDLIBS += $(CRYPTO) $(UUID)

d4-recv/d4-recv: d4-recv/main.o d4-recv/settings.o d4-recv/session.o \
    d4-recv/filter.o
d4-recv/d4-recv: LDLIBS += $(CRYPTO) $(UUID) $(JSON)

d4-pibs/d4-pibs: $(addprefix d4-pibs/,main.o settings.o run.o intake.o capture.o \
    pcap.o pcapng.o pcap-lib.o window.o packet.o seen.o attack.o \
    attack-state.o flow.o lines.o report.o bins.o plot.o save.o state.o \
    out.o hash.o)
d4-pibs/d4-pibs: LDLIBS += $(PCAP) $(REDIS) $(GZ) $(UUID) -pthread

UNITS = $(patsubst %.c,%,$(wildcard t/unit/*.c))
$(UNITS): LDLIBS += $(CRYPTO) $(UUID) $(JSON)
t/unit/session: d4-recv/session.o

# -- rules --------------------------------------------------------------------

OBJS = $(ROOMS:%=lib/%.o) $(patsubst %.c,%.o,$(wildcard d4*/*.c)) \
    $(UNITS:%=%.o)

all: $(PROGS)

COMPILE = $(strip $(CC) $(STD) $(WARN) $(HARDEN) $(DEFINES) $(CPPFLAGS) \
    $(CFLAGS))

%.o: %.c .flags
	$(COMPILE) -MMD -MP -c -o $@ $<

$(LIB): $(ROOMS:%=lib/%.o)
	rm -f $@
	$(AR) rc $@ $^

$(PROGS) $(UNITS): $(LIB)
	$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) \
	    $(LDLIBS)

$(UNITS): %: %.o

# Objects made with other flags are made again.
.flags: FORCE
	@printf '%s\n' "$$COMPILE" | cmp -s - $@ || \
	    printf '%s\n' "$$COMPILE" > $@
export COMPILE

-include $(OBJS:.o=.d)

# -- what a Debian 12 machine needs -------------------------------------------

DEPS_BUILD = gcc libc6-dev pkg-config libssl-dev uuid-dev libjansson-dev
DEPS_RUN = openssl socat tcpdump
DEPS_CHECK = perl
DEPS_LINT = clang mandoc shellcheck
DEPS = $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_CHECK)

deps:
	@sh t/deps.sh $(DEPS)

deps-lint:
	@sh t/deps.sh $(DEPS) $(DEPS_LINT)

# What deps installs is found by a make that starts after it.
demo check: deps
	@$(MAKE) --no-print-directory do-$@

# -- demonstration, tests, benchmark ------------------------------------------

do-demo: all
	@sh t/demo.sh

TESTS = $(wildcard t/*.t) $(UNITS)

do-check: all $(UNITS)
	D4_SANITIZE='$(SANITIZE)' prove -e '' $(PROVEFLAGS) $(TESTS)

bench: all
	@sh t/bench/run.sh

# Every file with both compilers, warnings as errors, into nowhere.
LINT_CFLAGS = $(STD) $(WARN) -Werror $(DEFINES) -O2 -c -o /dev/null
SOURCES = $(sort $(wildcard lib/*.c d4*/*.c t/unit/*.c t/fuzz/*.c))
SCRIPTS = $(sort $(wildcard t/*.sh t/*.t t/bench/*.sh) .ci/run)

lint: deps-lint
	@for f in $(SOURCES); do \
	    gcc $(LINT_CFLAGS) $$f && clang $(LINT_CFLAGS) $$f || exit 1; \
	done
	mandoc -Tlint -Wstyle $(wildcard man/*.[1-8])
	shellcheck -x $(SCRIPTS)

# -- installation -------------------------------------------------------------

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) \
	    $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 \
	    $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(MANDIR)/man8 \
	    $(DESTDIR)$(DOCDIR)/conf.sample/recv
	install -m 755 d4/d4 $(DESTDIR)$(BINDIR)
	install -m 755 d4-recv/d4-recv $(DESTDIR)$(SBINDIR)
	for n in 1 5 7 8; do \
	    install -m 644 man/*.$$n $(DESTDIR)$(MANDIR)/man$$n || exit 1; \
	done
	install -m 644 README.md LICENSE $(DESTDIR)$(DOCDIR)
	install -m 644 $(filter-out %/recv,$(wildcard conf.sample/*)) \
	    $(DESTDIR)$(DOCDIR)/conf.sample
	install -m 644 conf.sample/recv/* $(DESTDIR)$(DOCDIR)/conf.sample/recv

clean:
	rm -f $(PROGS) $(UNITS) $(LIB) .flags lib/*.[od] d4*/*.[od] \
	    t/unit/*.[od]

FORCE:
.PHONY: all deps deps-lint demo do-demo check do-check bench lint install \
    clean FORCE
.DELETE_ON_ERROR:
