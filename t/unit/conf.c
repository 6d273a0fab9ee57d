/* SPDX-License-Identifier: ISC */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/conf.h"
#include "lib/uuid.h"
#include "t/unit/tap.h"

#define LIT(s)	s, sizeof(s) - 1
#define MANY	(1u << 20)
#define NOBODY	65534

static char dir[] = "/tmp/d4-conf.XXXXXX";
static struct d4_conf *conf;

/* ---- files, right and wrong ------------------------------------------- */

static void
path_of(char path[256], const char *name)
{
	(void)snprintf(path, 256, "%s/%s", dir, name);
}

static void
put(const char *name, const char *bytes, size_t len)
{
	char path[256];
	int fd;

	path_of(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd == -1 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

static int
drop(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	(void)st;
	(void)what;
	return ftw->level == 0 ? 0 : remove(path);
}

static void
empty_dir(void)
{
	if (nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS) == -1)
		abort();
}

enum fault {
	MISSING, DIRECTORY, FIFO, UNREADABLE, DANGLING, LONG,
	FAULTS
};

static const char *const fault_names[FAULTS] = {
	"missing", "a directory", "a FIFO", "unreadable",
	"a link to nothing", "1 MiB long"
};

/* Makes the file "v" wrong, whatever should be in it. */
static void
make_fault(enum fault fault)
{
	static char many[MANY];
	char path[256];

	empty_dir();
	path_of(path, "v");
	memset(many, '1', sizeof(many));
	switch (fault) {
	case DIRECTORY:
		(void)mkdir(path, 0755);
		break;
	case FIFO:
		(void)mkfifo(path, 0644);
		break;
	case UNREADABLE:
		put("v", LIT("1\n"));
		(void)chmod(path, 0);
		break;
	case DANGLING:
		if (symlink("nowhere", path) == -1)
			abort();
		break;
	case LONG:
		put("v", many, sizeof(many));
		break;
	default:
		break;
	}
}

/* ---- the getters behind one face -------------------------------------- */

static char text[D4_CONF_TEXT];
static uint64_t number;
static uint8_t key[D4_CONF_TEXT], uuid[D4_UUID_LEN];
static size_t keylen;
static char list[4096];

static int
on_entry(void *cookie, const char *entry)
{
	(void)cookie;
	if (strcmp(entry, "bad") == 0)
		return -1;
	(void)snprintf(list + strlen(list), sizeof(list) - strlen(list),
	    "%s,", entry);
	return 0;
}

static int
get_text(void)
{
	return d4_conf_text(conf, "v", text, "a word");
}

static int
get_number(void)
{
	return d4_conf_number(conf, "v", 1, 255, &number);
}

static int
get_key(void)
{
	keylen = sizeof(key);
	return d4_conf_key(conf, "v", key, &keylen);
}

static int
get_uuid(void)
{
	return d4_conf_uuid(conf, "v", uuid);
}

static int
get_list(void)
{
	list[0] = '\0';
	return d4_conf_list(conf, "v", "words, one a line", on_entry, NULL);
}

static int
get_file(void)
{
	uint8_t *bytes;
	size_t len;
	int rc;

	if ((rc = d4_conf_file(conf, "v", 65536, "a file", &bytes, &len)) == 0)
		free(bytes);
	return rc;
}

static const struct getter {
	const char	*name;
	int		(*get)(void);
} getters[] = {
	{ "text", get_text }, { "number", get_number }, { "key", get_key },
	{ "uuid", get_uuid }, { "list", get_list }, { "file", get_file },
};

#define GETTERS	(sizeof(getters) / sizeof(getters[0]))

/* Whether the fault is one line "DIR/v: reason (expected ...)". */
static bool
is_told(void)
{
	const char *line = d4_conf_fault(conf);
	char begin[256];

	path_of(begin, "v: ");
	return strncmp(line, begin, strlen(begin)) == 0 &&
	    strstr(line, " (expected ") != NULL &&
	    strchr(line, '\n') == NULL && line[strlen(line) - 1] == ')';
}

static void
refused(const struct getter *g, const char *what)
{
	ok(g->get() == -1 && is_told(), "%s refuses what is %s", g->name,
	    what);
	printf("# %s\n", d4_conf_fault(conf));
}

/* Any value may be wrong in these ways. */
static void
test_faults(void)
{
	bool root = geteuid() == 0;
	size_t i;
	int f;

	for (f = 0; f < FAULTS; f++) {
		for (i = 0; i < GETTERS; i++) {
			make_fault((enum fault)f);
			if (getters[i].get == get_uuid &&
			    (f == MISSING || f == DANGLING))
				continue;	/* it is made then */
			/* A file's mode does not stop root. */
			if (root && seteuid(NOBODY) == -1)
				abort();
			refused(&getters[i], fault_names[f]);
			if (root && seteuid(0) == -1)
				abort();
		}
	}
}

static void
refuse(int (*get)(void), const char *what, const char *bytes, size_t len)
{
	const struct getter g = { what, get };

	empty_dir();
	put("v", bytes, len);
	refused(&g, what);
}

static void
test_text(void)
{
	static char most[D4_CONF_TEXT + 1];

	empty_dir();
	put("v", LIT(" two  words \n"));
	ok(get_text() == 0 && strcmp(text, " two  words ") == 0,
	    "text keeps its blanks");
	put("v", LIT("word"));
	ok(get_text() == 0 && strcmp(text, "word") == 0, "without newline");
	put("v", LIT("word\r\n"));
	ok(get_text() == 0 && strcmp(text, "word") == 0, "with CR LF");
	put("v", LIT("word\nrest"));
	ok(get_text() == 0 && strcmp(text, "word") == 0,
	    "what follows the last newline is no value");
	put("v", LIT("\xc3\xa9\n"));
	ok(get_text() == 0 && strcmp(text, "\xc3\xa9") == 0, "UTF-8");
	refuse(get_text, "empty", "", 0);
	refuse(get_text, "a newline", LIT("\n"));
	refuse(get_text, "CR LF", LIT("\r\n"));
	refuse(get_text, "two lines", LIT("a\nb\n"));
	refuse(get_text, "a line and a blank one", LIT("a\n\n"));
	refuse(get_text, "NUL within", LIT("a\0b\n"));
	refuse(get_text, "NUL alone", LIT("\0\n"));
	refuse(get_text, "CR within", LIT("a\rb\n"));
	refuse(get_text, "two CR", LIT("a\r\r\n"));
	refuse(get_text, "a tab", LIT("a\tb\n"));
	refuse(get_text, "an escape", LIT("a\033[0m\n"));
	memset(most, 'x', sizeof(most));
	empty_dir();
	put("v", most, D4_CONF_TEXT - 1);
	ok(get_text() == 0 && strlen(text) == D4_CONF_TEXT - 1, "the longest");
	refuse(get_text, "one byte longer", most, D4_CONF_TEXT);
	memcpy(text, "before", 7);
	(void)get_text();
	ok(strcmp(text, "before") == 0, "a refused text leaves what was");
}

static void
test_number(void)
{
	static const struct {
		const char	*bytes;
		uint64_t	 want;
	} good[] = {
		{ "1\n", 1 }, { "255\n", 255 }, { "7", 7 }, { "7\r\n", 7 },
		{ "007\n", 7 }, { "42\nrest", 42 }
	};
	static const char *const bad[] = {
		"0\n", "256\n", "-1\n", "+1\n", " 1\n", "1 \n", "1.0\n",
		"0x1\n", "one\n", "\n", "1\n2\n", "1,2\n", "1e2\n",
		"18446744073709551616\n", "18446744073709551617\n",
		"99999999999999999999999999999999999999\n", "1\r\r\n",
		"\xd9\xa1\n"
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		empty_dir();
		put("v", good[i].bytes, strlen(good[i].bytes));
		ok(get_number() == 0 && number == good[i].want,
		    "number takes %llu", (unsigned long long)good[i].want);
	}
	number = 99;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(get_number, "no such number", bad[i], strlen(bad[i]));
	refuse(get_number, "NUL behind a number", LIT("1\0\n"));
	refuse(get_number, "empty", "", 0);
	is(number, 99, "a refused number leaves what was");
	put("v", LIT("18446744073709551615\n"));
	ok(d4_conf_number(conf, "v", 0, UINT64_MAX, &number) == 0 &&
	    number == UINT64_MAX, "the greatest of all");
}

static bool
key_is(const char *want, size_t len)
{
	return get_key() == 0 && keylen == len && memcmp(key, want, len) == 0;
}

static void
test_key(void)
{
	static const struct {
		const char	*bytes;
		const char	*want;
	} good[] = {
		{ "secret\n", "secret" }, { "secret", "secret" },
		{ "secret\r\n", "secret" }, { "secret\n\n", "secret\n" },
		{ "  two words \n", "  two words " },
		{ "line1\nline2\n", "line1\nline2" },
		{ "line1\nline2", "line1" }, { "\t\xff\x01\n", "\t\xff\x01" },
		{ "a\rb\n", "a\rb" }
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		empty_dir();
		put("v", good[i].bytes, strlen(good[i].bytes));
		ok(key_is(good[i].want, strlen(good[i].want)),
		    "key %zu of %zu", i + 1,
		    sizeof(good) / sizeof(good[0]));
	}
	refuse(get_key, "empty", "", 0);
	refuse(get_key, "a newline", LIT("\n"));
	refuse(get_key, "CR LF", LIT("\r\n"));
	refuse(get_key, "NUL within", LIT("sec\0ret\n"));
	put("v", LIT("12345\n"));
	keylen = 4;
	memset(key, 'k', sizeof(key));
	ok(d4_conf_key(conf, "v", key, &keylen) == -1 && is_told(),
	    "a key longer than the room");
	ok(keylen == 4 && key[0] == 'k', "leaves what was");
	ok(strstr(d4_conf_fault(conf), "123") == NULL, "and is not shown");
	keylen = 5;
	ok(d4_conf_key(conf, "v", key, &keylen) == 0 && keylen == 5,
	    "one that just fits");
}

/* The keys of the original clients: the same file, the same key. */
static void
test_vector_keys(void)
{
	const char *shared = getenv("D4_SHARED");
	char path[4096], hex[2 * D4_CONF_TEXT];
	json_t *all, *v;
	size_t i, j, n = 0;
	int wrong = 0;

	(void)snprintf(path, sizeof(path), "%.2000s/vectors/vectors.json",
	    shared == NULL ? "../shared" : shared);
	if ((all = json_load_file(path, 0, NULL)) == NULL) {
		skip("the vectors are not here");
		return;
	}
	json_array_foreach(all, i, v) {
		const char *bytes = json_string_value(json_object_get(
		    json_object_get(v, "conf"), "key"));

		if (json_is_true(json_object_get(v, "quirk")) ||
		    bytes == NULL || *bytes == '\0')
			continue;
		put("v", bytes, strlen(bytes));
		if (get_key() == -1)
			keylen = 0;
		for (j = 0; j < keylen; j++)
			(void)snprintf(hex + 2 * j, 3, "%02x", key[j]);
		hex[2 * j] = '\0';
		wrong += strcmp(hex, json_string_value(json_object_get(v,
		    "hmac_key_hex"))) != 0;
		n++;
	}
	ok(n > 0 && wrong == 0, "%zu keys as the original clients read them",
	    n);
	json_decref(all);
}

static void
test_list(void)
{
	static char many[70000];

	empty_dir();
	put("v", LIT("a\n\nb c\r\n\r\nd"));
	ok(get_list() == 0 && strcmp(list, "a,b c,d,") == 0,
	    "a list without its blank lines");
	put("v", "", 0);
	ok(get_list() == 0 && list[0] == '\0', "an empty list has no entry");
	refuse(get_list, "a list with a bad entry", LIT("a\nbad\n"));
	refuse(get_list, "a list with NUL", LIT("a\0\nb\n"));
	memset(many, '\n', sizeof(many));
	refuse(get_list, "a long list of nothing", many, sizeof(many));
}

static void
test_file(void)
{
	uint8_t *bytes = NULL;
	size_t len = 0;

	put("v", LIT("a\0\r\n"));
	ok(d4_conf_file(conf, "v", 4, "x", &bytes, &len) == 0 && len == 4 &&
	    memcmp(bytes, "a\0\r\n\0", 5) == 0, "a file as it stands, and NUL");
	free(bytes);
	bytes = NULL;
	ok(d4_conf_file(conf, "v", 3, "x", &bytes, &len) == -1 && is_told(),
	    "a byte too many");
	put("v", "", 0);
	ok(d4_conf_file(conf, "v", 4, "x", &bytes, &len) == 0 && len == 0 &&
	    bytes[0] == '\0', "an empty file");
	free(bytes);
}

/* ---- the uuid ----------------------------------------------------------- */

static const char sensor[] = "0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35";

static void
test_uuid(void)
{
	static const char *const good[] = {
		"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35\n",
		"0F3C2A9E5B714C8D9A647E2D1B0C9F35\r\n",
		"{0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35}",
		"urn:uuid:0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35\n"
	};
	char made[D4_UUID_TEXT] = "";
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		empty_dir();
		put("v", good[i], strlen(good[i]));
		if (get_uuid() == 0)
			d4_uuid_text(made, uuid);
		ok(strcmp(made, sensor) == 0, "uuid in form %zu", i + 1);
	}
	refuse(get_uuid, "no uuid", LIT("not-a-uuid\n"));
	refuse(get_uuid, "of version 1",
	    LIT("0f3c2a9e-5b71-1c8d-9a64-7e2d1b0c9f35\n"));
	refuse(get_uuid, "of another variant",
	    LIT("0f3c2a9e-5b71-4c8d-1a64-7e2d1b0c9f35\n"));
	refuse(get_uuid, "two",
	    LIT("0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35\n"
	    "0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35\n"));
	refuse(get_uuid, "NUL",
	    LIT("0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35\0\n"));
	put("v", LIT("not-a-uuid\n"));
	(void)get_uuid();
	ok(get_text() == 0 && strcmp(text, "not-a-uuid") == 0,
	    "a wrong uuid is never replaced");
}

static int
count_files(void)
{
	char command[128];
	FILE *p;
	int n = -1;

	(void)snprintf(command, sizeof(command), "ls -A %s | wc -l", dir);
	if ((p = popen(command, "r")) == NULL || fscanf(p, "%d", &n) != 1)
		n = -1;
	if (p != NULL)
		pclose(p);
	return n;
}

static void
test_uuid_made(void)
{
	static const char *const blank[] = { "", "\n", "\r\n" };
	char path[256], made[D4_UUID_TEXT];
	uint8_t first[D4_UUID_LEN];
	struct stat st;
	size_t i;

	empty_dir();
	path_of(path, "v");
	is(get_uuid(), 0, "a missing uuid is made");
	ok(d4_uuid_is_v4(uuid), "of version 4");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "mode 0600");
	is(st.st_size, D4_UUID_TEXT, "a line");
	is(count_files(), 1, "and no other file");
	memcpy(first, uuid, sizeof(first));
	ok(get_uuid() == 0 && memcmp(first, uuid, sizeof(uuid)) == 0,
	    "and is the same the next time");
	d4_uuid_text(made, uuid);
	ok(get_text() == 0 && strcmp(text, made) == 0, "as the file says");
	for (i = 0; i < sizeof(blank) / sizeof(blank[0]); i++) {
		put("v", blank[i], strlen(blank[i]));
		ok(d4_conf_blank(conf, "v"), "%zu blank bytes are blank",
		    strlen(blank[i]));
		ok(get_uuid() == 0 && !d4_conf_blank(conf, "v"),
		    "and filled in");
	}
}

/* Twenty processes that start at once are one sensor. */
static void
test_uuid_race(void)
{
	uint8_t all[20][D4_UUID_LEN];
	int i, round, gate[2], back[2], wrong = 0;

	for (round = 0; round < 10; round++) {
		empty_dir();
		if (pipe(gate) == -1 || pipe(back) == -1)
			abort();
		fflush(stdout);
		for (i = 0; i < 20; i++) {
			struct d4_conf *mine;
			char byte;

			if (fork() != 0)
				continue;
			close(gate[1]);
			mine = d4_conf_open(dir);
			(void)!read(gate[0], &byte, 1);
			if (d4_conf_uuid(mine, "v", uuid) == -1)
				memset(uuid, 0, sizeof(uuid));
			(void)!write(back[1], uuid, sizeof(uuid));
			_exit(0);
		}
		close(gate[0]);
		close(gate[1]);
		close(back[1]);
		for (i = 0; i < 20; i++) {
			memset(all[i], 0xee, sizeof(all[i]));
			(void)!read(back[0], all[i], sizeof(all[i]));
			wrong += memcmp(all[i], all[0], sizeof(all[i])) != 0;
		}
		close(back[0]);
		while (wait(NULL) != -1)
			continue;
		wrong += !d4_uuid_is_v4(all[0]) || count_files() != 1;
	}
	is(wrong, 0, "of 20 processes one makes the uuid, ten times");
}

/* A disk that is full after ten bytes; then a process that is killed. */
static void
test_uuid_interrupted(void)
{
	struct rlimit ten = { .rlim_cur = 10, .rlim_max = 10 };
	char path[256];
	struct stat st;
	int i, status, half = 0;
	pid_t pid;

	empty_dir();
	path_of(path, "v");
	fflush(stdout);
	if ((pid = fork()) == 0) {
		(void)signal(SIGXFSZ, SIG_IGN);
		_exit(setrlimit(RLIMIT_FSIZE, &ten) == 0 &&
		    get_uuid() == -1 && is_told() ? 0 : 1);
	}
	ok(waitpid(pid, &status, 0) == pid && status == 0,
	    "a disk that is full is a fault");
	is(count_files(), 0, "and leaves no file");
	for (i = 0; i < 100; i++) {
		struct timespec ts = { .tv_nsec = 20000 * i };

		empty_dir();
		if ((pid = fork()) == 0)
			_exit(get_uuid() == 0 ? 0 : 1);
		(void)nanosleep(&ts, NULL);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		half += stat(path, &st) == 0 && st.st_size != D4_UUID_TEXT;
		half += get_uuid() == -1;
	}
	is(half, 0, "killed at any moment: all of it or none");
}

static void
test_rest(void)
{
	static const enum fault none[] = { DIRECTORY, FIFO, DANGLING };
	char path[D4_CONF_TEXT], want[256];
	struct d4_conf *other;
	size_t i;

	errno = 0;
	ok(d4_conf_open("/nowhere/at/all") == NULL && errno == ENOENT,
	    "no directory");
	put("v", LIT("x\n"));
	path_of(want, "v");
	ok(d4_conf_open(want) == NULL && errno == ENOTDIR, "a file");
	ok(d4_conf_has(conf, "v") && !d4_conf_has(conf, "w"), "has");
	ok(d4_conf_path(conf, "v", path) == 0 && strcmp(path, want) == 0,
	    "the path of a value");
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		make_fault(none[i]);
		ok(d4_conf_has(conf, "v") && d4_conf_path(conf, "v",
		    path) == -1 && is_told(), "what is there and no file");
	}
	empty_dir();
	ok(d4_conf_path(conf, "v", path) == -1 && is_told(), "no file at all");
	put("v", LIT("x\n"));
	(void)chmod(want, 0640);
	is(d4_conf_closed(conf, "v", false), 0, "0640 is closed");
	(void)chmod(want, 0644);
	ok(d4_conf_closed(conf, "v", false) == -1 && is_told() &&
	    strstr(d4_conf_fault(conf), "v: can be read or changed by others "
	    "(expected chmod o= ") != NULL, "0644 is not, chmod helps");
	ok(d4_conf_closed(conf, "v", true) == 1 &&
	    strstr(d4_conf_fault(conf), "v: can be read") != NULL,
	    "that can be accepted, and warned of");
	(void)chmod(want, 0602);
	is(d4_conf_closed(conf, "v", false), -1, "0602 can be changed");
	is(d4_conf_closed(conf, "w", false), 0, "what is missing is closed");
	(void)chmod(want, 0600);
	path_of(path, ".");
	(void)chmod(path, 0777);
	ok(d4_conf_closed(conf, "v", false) == -1 && is_told() &&
	    strstr(d4_conf_fault(conf), "v: can be replaced by others "
	    "(expected chmod o-w ") != NULL, "so is a directory of all");
	is(d4_conf_closed(conf, "v", true), 1, "that can be accepted");
	is(d4_conf_closed(conf, "w", false), 0, "without it nothing is");
	(void)chmod(path, 01777);
	is(d4_conf_closed(conf, "v", false), 0, "of which each has his own");
	(void)chmod(path, 0700);
	ok(d4_conf_is_sample(LIT("private key to change")) &&
	    !d4_conf_is_sample(LIT("private key to chang")) &&
	    !d4_conf_is_sample(LIT("another key to change")),
	    "the sample's key is known");
	ok(d4_conf_refuse(conf, "v", "is odd", "an even one") == -1 &&
	    is_told() && strstr(d4_conf_fault(conf),
	    "v: is odd (expected an even one)") != NULL, "refuse");
	if ((other = d4_conf_open(dir)) == NULL)
		abort();
	ok(*d4_conf_fault(other) == '\0', "no fault yet, no words");
	d4_conf_close(other);
	d4_conf_close(NULL);
}

int
main(void)
{
	/* A value that hangs us is a failure, not a test without end. */
	tap_limit(120);
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1 ||
	    (conf = d4_conf_open(dir)) == NULL)
		abort();
	test_faults();
	test_text();
	test_number();
	test_key();
	test_vector_keys();
	test_list();
	test_file();
	test_uuid();
	test_uuid_made();
	test_uuid_race();
	test_uuid_interrupted();
	test_rest();
	empty_dir();
	d4_conf_close(conf);
	(void)rmdir(dir);
	return tap_done();
}
