# SPDX-License-Identifier: ISC
#
# Read from top to bottom: settings, libraries, rooms, programs, the four
# rules, tests, installation.  One file, no recursion over directories.
#
#	make			the programs
#	make demo		install what is missing, build, show the main job
#	make check		install what is missing, build, run the tests
#	make bench		speed, as ratios against well-known tools
#	make bench-idle		10,000 silent sensors: memory, and time to serve
#	make abuse		what strangers may do to a collector (TAP)
#	make lint		warnings, static analyzers, manual pages, scripts
#	make fuzz T=60		each fuzz program for T seconds (t/fuzz/README)
#	make fuzz-coverage	what their corpora reach
#	make install		under DESTDIR, PREFIX, BINDIR, MANDIR, UNITDIR
#	make uninstall		removes that again
#	make deps		install Debian's packages, or name them
#
# CC, CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS are taken from outside.
# SANITIZE=address,undefined builds and tests with those sanitizers;
# "make check VALGRIND=1" runs the tests and what they start under valgrind.

.DEFAULT_GOAL = all

VERSION = 0.1.0
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
MANDIR = $(PREFIX)/share/man
DOCDIR = $(PREFIX)/share/doc/d4
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR = $(PREFIX)/share/zsh/site-functions
UNITDIR = $(PREFIX)/lib/systemd/system
PKG_CONFIG = pkg-config

CFLAGS ?= -O2 -g
SANITIZE =
VALGRIND =
STD = -std=c11
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wmissing-prototypes \
    -Wstrict-prototypes -Wsign-conversion -Wwrite-strings -Wpointer-arith \
    -Wundef -Wvla -Wformat=2
HARDEN = -fstack-protector-strong -fPIE
LDHARDEN = -pie -Wl,--as-needed,-z,relro,-z,now,-z,noexecstack
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

# Optional ones are tried with the compiler; "make" says what was found.
have = $(shell printf '\043include <$(1)>\nint main(void) { return 0; }\n' | \
    $(CC) $(CPPFLAGS) $(LDFLAGS) -x c -o /dev/null - $(2) 2>/dev/null && \
    echo yes)

MB := $(if $(call have,intel-ipsec-mb.h,-lIPSec_MB),yes)
CRYPTO = $(shell $(PKG_CONFIG) --libs libcrypto 2>/dev/null || echo -lcrypto) \
    $(if $(MB),-lIPSec_MB)
UUID = $(shell $(PKG_CONFIG) --libs uuid 2>/dev/null || echo -luuid)
TLS = $(shell $(PKG_CONFIG) --libs libssl 2>/dev/null || echo -lssl)
REDIS = $(shell $(PKG_CONFIG) --libs hiredis 2>/dev/null || echo -lhiredis)
JSON = $(shell $(PKG_CONFIG) --libs jansson 2>/dev/null || echo -ljansson)
GZ_ISAL := $(if $(call have,isa-l/igzip_lib.h,-lisal),isal)
GZ_ZSTD := $(if $(call have,zstd.h,-lzstd),zstd)
GZ = -lz $(GZ_ISAL:%=-l%) $(GZ_ZSTD:%=-l%)
PCAP = $(shell $(PKG_CONFIG) --libs libpcap 2>/dev/null || echo -lpcap)

# -- rooms of the library -----------------------------------------------------

ROOMS = header uuid type feed base64 digest sum border cidr table resp \
    mac mac-wipe mac-openssl $(if $(MB),mac-lanes,mac-nolanes) \
    meta meta-ja3 meta-line meta-value \
    io record conf conf-login clock net net-socks stop secret notify log \
    confine confine-$(OS) os-$(OS) os-swap-$(OS) os-host-$(OS) \
    tls tls-bio cert redis queue queue-dir queue-names queue-redis queue-wait \
    gz gz-zlib $(if $(GZ_ISAL),gz-isal,gz-noisal) \
    $(if $(GZ_ZSTD),gz-zstd,gz-nozstd) \
    registry registry-admin registry-claim registry-facts registry-note \
    registry-queue registry-dir registry-dir-facts registry-dir-live \
    registry-dir-queue registry-dir-tree registry-redis \
    registry-redis-values registry-redis-live registry-redis-facts \
    registry-redis-queue registry-redis-days
LIB = lib/libd4.a

# -- programs -----------------------------------------------------------------

PROGS = d4/d4 d4-recv/d4-recv d4-meta/d4-meta d4-pibs/d4-pibs \
    d4-stdout/d4-stdout d4-admin/d4-admin

d4/d4: $(patsubst %,d4/%.o,main stream options settings encap cut window \
    anchor shelf link wire relay spool spool-disk spool-form spool-keep \
    spool-recover spool-state spool-sync spool-threads spool-writer figures \
    source source-folder source-redis seen)
d4/d4: NEEDS += $(TLS) $(CRYPTO) $(UUID) $(JSON) $(REDIS) -pthread

TAIL = tails tail tail-generation tail-load tail-match tail-other \
    tail-settle tail-log tail-blob
SHARE_ROOM = share share-keys share-cmd share-push share-ask share-turn
STORE_ROOM = store store-file store-sync store-rotate store-unit store-take \
    store-resume store-end
STORE = $(patsubst %,d4-recv/%.o,place whole complete runner hook finish \
    handler line $(STORE_ROOM) recover settle syncer $(TAIL) match \
    $(SHARE_ROOM) pipeline)
STREAM_ROOM = stream stream-cmd stream-keys stream-tail stream-answer \
    stream-check stream-lost stream-turn
COLLECT_ROOM = collect collect-open collect-limit collect-tick collect-end
CONN_ROOM = conn conn-key conn-note conn-keep conn-take conn-read conn-turn
d4-recv/d4-recv: $(patsubst %,d4-recv/%.o,main settings session filter \
    supervise reload $(COLLECT_ROOM) $(CONN_ROOM) admit peers refusals \
    errors faults analyze figures $(STREAM_ROOM) passage) $(STORE)
d4-recv/d4-recv: NEEDS += $(TLS) $(CRYPTO) $(UUID) $(JSON) $(REDIS) $(GZ) \
    -pthread

d4-meta/d4-meta: d4-meta/main.o d4-meta/options.o d4-meta/settings.o \
    d4-meta/build.o d4-meta/send.o d4-meta/stream.o d4-meta/session.o \
    d4-meta/show.o d4-meta/tally.o d4-meta/summary.o d4-meta/list.o \
    d4-meta/telemetry.o d4-meta/metrics.o
d4-meta/d4-meta: NEEDS += $(CRYPTO) $(UUID) $(JSON)
t/unit/meta-stream: d4-meta/session.o d4-meta/tally.o
t/unit/meta-metrics: d4-meta/metrics.o

d4-pibs/d4-pibs: $(patsubst %,d4-pibs/%.o,main settings run intake capture \
    pcap pcapng pcap-lib window packet seen attack attack-state repeat flow \
    lines report bins plot save state out hash)
d4-pibs/d4-pibs: NEEDS += $(PCAP) $(REDIS) $(GZ) $(UUID) -pthread
t/unit/pibs-seen t/unit/pibs-flow: $(patsubst %,d4-pibs/%.o,seen attack \
    attack-state repeat flow hash)

d4-admin/d4-admin: $(patsubst %,d4-admin/%.o,main verbs args place table order \
    secret walk sensor sensor-set enroll block type queue stats mode check \
    check-registry export import authority tls watch)
d4-admin/d4-admin: NEEDS += $(TLS) $(CRYPTO) $(UUID) $(JSON) $(REDIS) -pthread

d4-stdout/d4-stdout: $(patsubst %,d4-stdout/%.o,main options drain supply \
    output files merge pcap figures about)
d4-stdout/d4-stdout: NEEDS += $(UUID) $(REDIS) $(GZ)
t/unit/stdout-pcap: d4-stdout/pcap.o
t/unit/stdout-merge: $(patsubst %,d4-stdout/%.o,merge pcap output)

SPOOL = $(patsubst %,d4/%.o,spool spool-disk spool-form spool-keep \
    spool-recover spool-state spool-sync spool-threads spool-writer)
WINDOW = $(patsubst %,d4/%.o,window anchor shelf) $(SPOOL)

# Preloaded into the programs: by the test of failing calls, and where valgrind
# runs them.
FAULT = $(patsubst %.c,%.so,$(wildcard t/fault/*.c))

UNITS = $(patsubst %.c,%,$(wildcard t/unit/*.c))
$(UNITS): NEEDS += $(TLS) $(CRYPTO) $(UUID) $(JSON) $(REDIS) $(GZ) -pthread
t/unit/session: d4-recv/session.o
t/unit/place: d4-recv/place.o
t/unit/match: d4-recv/match.o
t/unit/tail: $(STORE)
t/unit/tail: NEEDS += -Wl,--wrap=realloc
t/unit/runner: d4-recv/runner.o
t/unit/store t/unit/handler t/unit/recover t/unit/power: $(STORE)
t/unit/window: $(WINDOW)
t/unit/spool: d4/cut.o $(WINDOW)
t/unit/cut t/unit/resume: d4/cut.o $(WINDOW)
t/unit/link: d4/link.o d4/wire.o
t/unit/source t/unit/source-redis: d4/source.o d4/source-folder.o \
    d4/source-redis.o d4/seen.o

# Programs that try to break out once they are confined, for t/8000-confine.t:
# what they link in the place of d4_confine_enter() is in no other program.
ESCAPES = $(PROGS:%=%-escape)
$(ESCAPES): NEEDS += $(TLS) $(CRYPTO) $(UUID) $(JSON) $(REDIS) $(GZ) $(PCAP) \
    -pthread
$(ESCAPES): t/escape/escape.o
define escape
$(1)-escape: $(patsubst %.c,%.o,$(wildcard $(dir $(1))*.c))
endef
$(foreach p,$(PROGS),$(eval $(call escape,$(p))))

# What tests talk to the programs with.
TOOLS = $(patsubst %.c,%,$(wildcard t/tool/*.c))
# What benchmarks load them with.
LOAD = t/bench/load t/bench/sink t/bench/strangers
t/bench/strangers: NEEDS += -lm
$(TOOLS) $(LOAD): NEEDS += $(TLS) $(CRYPTO) $(UUID) $(JSON) $(REDIS) -pthread

# -- fuzz programs ------------------------------------------------------------

# t/fuzz/fuzz-NAME.c is built three times: t/fuzz/replay-NAME as everything
# else, for "make check"; .fuzz/NAME with libFuzzer and sanitizers; .cover/NAME
# for the coverage of its corpus.  The last two are clang's.
FUZZ = $(sort $(patsubst t/fuzz/fuzz-%.c,%,$(wildcard t/fuzz/fuzz-*.c)))
REPLAY = $(FUZZ:%=t/fuzz/replay-%)

# Calls that fail where an input wants it (t/fuzz/faults.h).
FAULTY = malloc calloc realloc strdup strndup fopen fdopen fopencookie \
    open_memstream mmap opendir fdopendir readdir read pread readv write \
    pwrite writev fsync fdatasync rename renameat linkat unlink unlinkat mkdir \
    mkdirat open openat fstat stat fstatat ftruncate lseek flock fcntl \
    fchown fchownat epoll_ctl inotify_init1 inotify_add_watch EVP_Digest \
    json_loadb json_dumpb json_real ZSTD_createDCtx ZSTD_createCCtx \
    ZSTD_compressStream2 isal_deflate
FUZZ_WRAP = $(FAULTY:%=-Wl,--wrap=%)

# What a fuzz program needs beside the library.
parts-meta = $(addprefix d4-meta/,metrics session tally)
parts-pibs-capture = $(addprefix d4-pibs/,capture pcap pcapng pcap-lib window \
    packet)
parts-pibs-packet = $(addprefix d4-pibs/,packet seen attack repeat flow hash)

parts-pibs-state = $(addprefix d4-pibs/,state attack attack-state repeat flow \
    seen hash out)
parts-place = d4-recv/place
parts-recv = $(addprefix t/fuzz/,fake-recv fake-share fake-tls) \
    $(addprefix d4-recv/,$(CONN_ROOM) session admit peers refusals errors \
    faults $(STORE_ROOM) handler line place whole complete settle syncer \
    $(TAIL) match)
parts-recv-tail = d4-recv/tail-log
parts-spool = $(addprefix d4/,spool-form spool-disk)
parts-whole = d4-recv/whole d4-recv/place
parts-redis = $(addprefix t/fuzz/,fake-redis fake-keys fake-reply \
    read-registry write-registry)
parts-registry = t/fuzz/read-registry t/fuzz/write-registry
parts-stdout-merge = $(addprefix d4-stdout/,merge pcap output)

# The sources whose coverage "make fuzz-coverage" tells.
covers-border = lib/border.c
covers-conf = lib/conf.c
covers-feed = lib/feed.c lib/header.c
covers-gz = lib/gz.c $(GZ_ISAL:%=lib/gz-%.c) $(GZ_ZSTD:%=lib/gz-%.c)
covers-meta = lib/meta.c lib/meta-line.c lib/meta-ja3.c \
    d4-meta/metrics.c d4-meta/session.c
covers-pibs-capture = $(addprefix d4-pibs/,capture.c pcap.c pcapng.c)
covers-pibs-packet = d4-pibs/packet.c
covers-pibs-state = d4-pibs/state.c d4-pibs/attack-state.c
covers-place = d4-recv/place.c
covers-queue = lib/queue-dir.c lib/queue-names.c
covers-recv = $(addprefix d4-recv/,session.c admit.c handler.c line.c \
    $(CONN_ROOM:%=%.c) $(STORE_ROOM:%=%.c))
covers-recv-tail = d4-recv/tail-log.c
covers-spool = d4/spool-form.c
covers-redis = $(addprefix lib/,queue-redis.c registry-redis.c \
    registry-redis-values.c registry-redis-live.c registry-redis-facts.c \
    registry-redis-queue.c registry-redis-days.c)
covers-registry = $(addprefix lib/,registry-dir.c registry-dir-facts.c \
    registry-dir-live.c registry-dir-queue.c registry-dir-tree.c)
covers-stdout-merge = d4-stdout/merge.c d4-stdout/pcap.c
covers-whole = d4-recv/whole.c
covers-text = lib/base64.c lib/uuid.c lib/cidr.c lib/type.c

$(REPLAY): NEEDS += $(TLS) $(CRYPTO) $(UUID) $(JSON) $(REDIS) $(GZ) $(PCAP) \
    -pthread

# -- rules --------------------------------------------------------------------

OBJS = $(ROOMS:%=lib/%.o) $(patsubst %.c,%.o,$(wildcard d4*/*.c)) \
    $(UNITS:%=%.o) $(TOOLS:%=%.o) $(LOAD:%=%.o) t/escape/escape.o \
    $(FUZZ:%=t/fuzz/fuzz-%.o) $(patsubst %.c,%.o,$(wildcard t/fuzz/fake-*.c)) \
    t/fuzz/read-registry.o t/fuzz/write-registry.o t/fuzz/faults.o \
    t/fuzz/replay.o

all: found $(PROGS)

found:
	@echo 'optional: libIPSec_MB $(or $(MB),not found),' \
	    'isa-l $(if $(GZ_ISAL),yes,not found),' \
	    'libzstd $(if $(GZ_ZSTD),yes,not found)'

COMPILE = $(strip $(CC) $(STD) $(WARN) $(HARDEN) $(DEFINES) $(CPPFLAGS) \
    $(CFLAGS))

%.o: %.c .flags
	$(COMPILE) -MMD -MP -c -o $@ $<

$(LIB): $(ROOMS:%=lib/%.o)
	rm -f $@
	$(AR) rc $@ $^

$(REPLAY): NEEDS += $(FUZZ_WRAP)
$(PROGS) $(UNITS) $(TOOLS) $(LOAD) $(REPLAY): $(LIB)
	$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) \
	    $(NEEDS) $(LDLIBS)

$(UNITS) $(TOOLS) $(LOAD): %: %.o

escapes: $(ESCAPES)
$(ESCAPES): $(LIB)
	$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -Wl,--wrap=d4_confine_enter \
	    -o $@ $(filter %.o,$^) $(LIB) $(NEEDS) $(LDLIBS)

$(FAULT): %.so: %.c .flags
	$(CC) $(STD) $(WARN) $(CFLAGS) -fPIC -shared -o $@ $< -ldl

.SECONDEXPANSION:
$(REPLAY): t/fuzz/replay-%: t/fuzz/fuzz-%.o t/fuzz/replay.o \
    t/fuzz/faults.o $$(addsuffix .o,$$(parts-$$*))

# Objects made with other flags are made again.
.flags: FORCE
	@printf '%s\n' "$$COMPILE" | cmp -s - $@ || \
	    printf '%s\n' "$$COMPILE" > $@
export COMPILE

-include $(OBJS:.o=.d)

# -- what a Debian 12 machine needs -------------------------------------------

DEPS_BUILD = gcc libc6-dev pkg-config libssl-dev uuid-dev libjansson-dev \
    libhiredis-dev libpcap-dev zlib1g-dev ?libipsec-mb-dev ?libisal-dev \
    ?libzstd-dev
DEPS_RUN = openssl socat tcpdump
DEPS_CHECK = perl procps redis-server python3 tcpreplay zsh zstd ?faketime \
    $(VALGRIND:%=valgrind)
DEPS_LINT = clang mandoc shellcheck clang-tidy cppcheck llvm libclang-rt-dev
DEPS = $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_CHECK)

deps:
	@sh t/deps.sh $(DEPS)

deps-lint:
	@sh t/deps.sh $(DEPS) $(DEPS_LINT)

# What deps installs is found by a make that starts after it.
demo check: deps
	@$(MAKE) --no-print-directory do-$@

fuzz fuzz-coverage: deps-lint
	@$(MAKE) --no-print-directory do-$@

# -- demonstration, tests, benchmark ------------------------------------------

do-demo: all
	@sh t/demo.sh

# Each test waits more than it works.
PROVEFLAGS = -j 3

TESTS = $(wildcard t/*.t) $(UNITS)

do-check: all $(UNITS) $(TOOLS) $(FAULT) escapes $(REPLAY)
	D4_SANITIZE='$(or $(SANITIZE),$(VALGRIND:%=valgrind))' \
	    prove -e '$(VALGRIND:%=bash t/valgrind.sh)' $(PROVEFLAGS) $(TESTS)

bench: all $(LOAD)
	@sh t/bench/run.sh
	@sh t/bench/tls.sh
	@perl t/bench/spool.pl
	@sh t/bench/collect.sh
	@perl t/bench/pibs.pl
	@bash t/bench/stdout.sh
	@bash t/bench/redis.sh

bench-idle: all $(LOAD)
	@sh t/bench/idle.sh

abuse: all $(LOAD) $(TOOLS)
	@prove -e '' t/bench/abuse

# Every file with both compilers, warnings as errors, into nowhere, gcc's
# analyzer among them; then clang-tidy (.clang-tidy) and cppcheck (.cppcheck).
# What the analyzer of gcc 12 takes for a leak is whatever lies in an array.
LINT_CFLAGS = $(STD) $(WARN) -Werror $(DEFINES) -O2 -c -o /dev/null
ANALYZE = -fanalyzer -Wno-analyzer-malloc-leak
SOURCES = $(sort $(wildcard lib/*.c d4*/*.c t/unit/*.c t/tool/*.c \
    t/escape/*.c t/fuzz/*.c t/fault/*.c t/bench/*.c))
TIDY = $(filter lib/% d4%,$(SOURCES))
SCRIPTS = $(sort $(wildcard t/*.sh t/*.t t/tool/*.sh t/bench/*.sh \
    t/fuzz/*.sh) .ci/run d4-admin/completion.bash)
JOBS := $(shell nproc 2>/dev/null || echo 1)
quoted = $(subst ','\'',$(1))
EACH = | tr ' ' '\n' | xargs -P $(JOBS) -n 4

lint: deps-lint
	@echo $(SOURCES) $(EACH) sh -c '$(call quoted,for f; do \
	    gcc $(LINT_CFLAGS) $(ANALYZE) $$f && clang $(LINT_CFLAGS) $$f || \
	    exit 255; done)' sh
	@echo $(TIDY) $(EACH) sh -c '$(call quoted,clang-tidy --quiet "$$@" -- \
	    $(STD) $(DEFINES) 2>&1 | grep -v "warnings* generated" && exit 255; \
	    exit 0)' sh
	@cppcheck -q -j $(JOBS) --std=c11 --enable=warning,performance,portability \
	    --error-exitcode=1 --inline-suppr --suppressions-list=.cppcheck \
	    --template=gcc -I. --include=t/cppcheck.h -D__linux__ -D__GNUC__ \
	    -DD4_VERSION='"$(VERSION)"' $(SOURCES)
	cd man && mandoc -Tlint -Wstyle *.[1-8]
	shellcheck -x $(SCRIPTS)

# -- fuzzing ------------------------------------------------------------------

# Corpora grow in CORPUS, beside the seeds in t/fuzz/corpus, and stay.
T = 60
CORPUS = .corpus
FUZZ_CC = clang
FUZZ_FLAGS = $(STD) $(WARN) $(DEFINES) -O1 -g -fno-omit-frame-pointer \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
COVER_FLAGS = $(STD) $(WARN) $(DEFINES) -O0 -g -fprofile-instr-generate \
    -fcoverage-mapping
FUZZ_LIBS = $(TLS) $(CRYPTO) $(UUID) $(JSON) $(REDIS) $(GZ) $(PCAP) -pthread

.fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

.cover/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(COVER_FLAGS) -MMD -MP -c -o $@ $<

.fuzz/libd4.a .cover/libd4.a: %/libd4.a: $(addprefix %/lib/,$(ROOMS:%=%.o))
	rm -f $@
	$(AR) rc $@ $^

$(FUZZ:%=.fuzz/%): .fuzz/%: .fuzz/t/fuzz/fuzz-%.o \
    .fuzz/t/fuzz/faults.o \
    $$(addprefix .fuzz/,$$(addsuffix .o,$$(parts-$$*))) .fuzz/libd4.a
	$(FUZZ_CC) $(FUZZ_FLAGS) $(FUZZ_WRAP) -o $@ $^ $(FUZZ_LIBS)

$(FUZZ:%=.cover/%): .cover/%: .cover/t/fuzz/fuzz-%.o .cover/t/fuzz/replay.o \
    .cover/t/fuzz/faults.o \
    $$(addprefix .cover/,$$(addsuffix .o,$$(parts-$$*))) .cover/libd4.a
	$(FUZZ_CC) $(COVER_FLAGS) $(FUZZ_WRAP) -o $@ $^ $(FUZZ_LIBS)

-include $(wildcard .fuzz/*/*.d .fuzz/t/fuzz/*.d .cover/*/*.d \
    .cover/t/fuzz/*.d)

do-fuzz: $(FUZZ:%=.fuzz/%)
	@sh t/fuzz/run.sh '$(CORPUS)' '$(T)' $(FUZZ)

do-fuzz-coverage: $(FUZZ:%=.cover/%)
	@$(foreach f,$(FUZZ),sh t/fuzz/coverage.sh '$(CORPUS)' $(f) \
	    $(covers-$(f)) &&) :

# -- installation -------------------------------------------------------------

install: all
	install -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(SBINDIR)" \
	    "$(DESTDIR)$(MANDIR)/man1" "$(DESTDIR)$(MANDIR)/man5" \
	    "$(DESTDIR)$(MANDIR)/man7" "$(DESTDIR)$(MANDIR)/man8" \
	    "$(DESTDIR)$(DOCDIR)/conf.sample/recv" \
	    "$(DESTDIR)$(DOCDIR)/conf.sample/collector" "$(DESTDIR)$(UNITDIR)"
	install -m 755 d4/d4 d4-pibs/d4-pibs "$(DESTDIR)$(BINDIR)"
	install -m 755 d4-meta/d4-meta d4-stdout/d4-stdout "$(DESTDIR)$(BINDIR)"
	install -m 755 d4-recv/d4-recv d4-admin/d4-admin "$(DESTDIR)$(SBINDIR)"
	for n in 1 5 7 8; do \
	    install -m 644 man/*.$$n "$(DESTDIR)$(MANDIR)/man$$n" || exit 1; \
	done
	install -d "$(DESTDIR)$(BASHDIR)" "$(DESTDIR)$(ZSHDIR)"
	install -m 644 d4-admin/completion.bash "$(DESTDIR)$(BASHDIR)/d4-admin"
	install -m 644 d4-admin/completion.zsh "$(DESTDIR)$(ZSHDIR)/_d4-admin"
	install -m 644 README.md SECURITY.md LICENSE "$(DESTDIR)$(DOCDIR)"
	install -m 644 $(filter-out %/recv %/collector %/uuid, \
	    $(wildcard conf.sample/*)) \
	    "$(DESTDIR)$(DOCDIR)/conf.sample"
	install -m 644 conf.sample/recv/* "$(DESTDIR)$(DOCDIR)/conf.sample/recv"
	install -m 644 conf.sample/collector/* \
	    "$(DESTDIR)$(DOCDIR)/conf.sample/collector"
	for u in systemd/*; do \
	    sed -e 's|/usr/local/sbin/|$(SBINDIR)/|g' \
	    -e 's|/usr/local/bin/|$(BINDIR)/|g' \
	    -e 's|/usr/local/share/doc/d4/|$(DOCDIR)/|g' $$u \
	    > "$(DESTDIR)$(UNITDIR)/$${u#*/}" || exit 1; \
	done

# Nothing but what install makes; configuration and data are elsewhere.
uninstall:
	for p in d4 d4-pibs d4-meta d4-stdout; do \
	    rm -f "$(DESTDIR)$(BINDIR)/$$p" || exit 1; \
	done
	rm -f "$(DESTDIR)$(SBINDIR)/d4-recv" "$(DESTDIR)$(SBINDIR)/d4-admin"
	for p in man/*.[1578]; do \
	    rm -f "$(DESTDIR)$(MANDIR)/man$${p##*.}/$${p#man/}" || exit 1; \
	done
	rm -f "$(DESTDIR)$(BASHDIR)/d4-admin" "$(DESTDIR)$(ZSHDIR)/_d4-admin"
	for f in README.md SECURITY.md LICENSE $(filter-out %/uuid, \
	    $(wildcard conf.sample/* conf.sample/*/*)); do \
	    [ -d "$$f" ] || rm -f "$(DESTDIR)$(DOCDIR)/$$f" || exit 1; \
	done
	-rmdir "$(DESTDIR)$(DOCDIR)/conf.sample/"* \
	    "$(DESTDIR)$(DOCDIR)/conf.sample" "$(DESTDIR)$(DOCDIR)"
	for u in systemd/*; do \
	    rm -f "$(DESTDIR)$(UNITDIR)/$${u#*/}" || exit 1; \
	done

clean:
	rm -f $(PROGS) $(ESCAPES) $(UNITS) $(TOOLS) $(FAULT) $(LOAD) \
	    $(REPLAY) $(LIB) .flags lib/*.[od] d4*/*.[od] t/unit/*.[od] \
	    t/tool/*.[od] t/escape/*.[od] t/bench/*.[od] t/fuzz/*.[od]
	rm -rf .fuzz .cover

FORCE:
.PHONY: all escapes found deps deps-lint demo do-demo check do-check bench \
    bench-idle abuse lint fuzz fuzz-coverage do-fuzz do-fuzz-coverage install \
    uninstall clean FORCE
.DELETE_ON_ERROR:
