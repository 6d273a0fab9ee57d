/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4/source.h"
#include "lib/base64.h"
#include "t/unit/collect.h"
#include "t/unit/tap.h"

static char *
text_of(const char *kind, const char *name)
{
	static char text[PATH_MAX];

	(void)snprintf(text, sizeof(text), "%s%s/%s", kind, dir, name);
	return text;
}

static void
put(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd == -1 || write(fd, bytes, len) != (ssize_t)len ||
	    close(fd) == -1)
		abort();
}

static void
put_text(const char *name, const char *text)
{
	put(in_dir(name), text, strlen(text));
}

/* As if it had been changed that long ago. */
static void
age(const char *name, int seconds)
{
	struct timespec ts[2] = { { .tv_sec = time(NULL) - seconds } };

	ts[1] = ts[0];
	if (utimensat(AT_FDCWD, in_dir(name), ts, 0) == -1)
		abort();
}

static bool writers;			/* who are told apart */

static struct source *
open_source(const char *text, bool json)
{
	static char name[PATH_MAX];
	struct source_settings s = { .json = json, .writers = writers };
	struct source *src;
	char why[SOURCE_WHY] = "";

	(void)snprintf(name, sizeof(name), "%s", text);
	s.source = name;
	if ((src = source_open(&s, why)) == NULL)
		printf("# %s: %s\n", name, why);
	return src;
}

/* -- descriptors ----------------------------------------------------------- */

static void
test_file(void)
{
	struct source *src;
	bool end;

	put_text("file", "one\ntwo\n");
	src = open_source(in_dir("file"), false);
	ok(source_fd(src) != -1, "a file can be read by read(2) alone");
	ok(same(collect(src, ROOM, 3, 1000, &end), "one\ntwo\n"),
	    "a file comes as it is");
	ok(end, "and ends");
	source_close(src);
	ok((src = open_source(in_dir("none"), false)) == NULL,
	    "a file that is not there is a fault");
	ok((src = open_source(dir, false)) == NULL, "so is a directory");
	ok(open_source(text_of("folder:", "file"), false) == NULL,
	    "and a file that should be a folder");
}

static void
test_sum(void)
{
	static char bytes[200000];
	struct source *src;
	uint64_t sum, other;
	size_t i;

	put(in_dir("sum"), "", 0);
	src = open_source(in_dir("sum"), false);
	is(source_sum(src, 0, &sum), 0, "an empty file has a sum");
	is(source_sum(src, 1, &sum), -1, "up to where it is");
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 >> 3);
	put(in_dir("sum"), bytes, sizeof(bytes));
	ok(source_sum(src, 150000, &sum) == 0 &&
	    source_sum(src, 150001, &other) == 0 && sum != other,
	    "each place has its own");
	bytes[160000] ^= 1;
	put(in_dir("sum"), bytes, sizeof(bytes));
	ok(source_sum(src, 150000, &other) == 0 && sum == other,
	    "whatever lies behind");
	bytes[100] ^= 1;
	put(in_dir("sum"), bytes, sizeof(bytes));
	ok(source_sum(src, 150000, &other) == 0 && sum != other,
	    "not at the beginning");
	bytes[100] ^= 1;
	bytes[149999] ^= 1;
	put(in_dir("sum"), bytes, sizeof(bytes));
	ok(source_sum(src, 150000, &other) == 0 && sum != other,
	    "nor right before it");
	source_close(src);
}

static void
test_stdin(void)
{
	int fds[2], old = dup(STDIN_FILENO);
	struct source *src;
	bool end;

	if (pipe(fds) == -1 || dup2(fds[0], STDIN_FILENO) == -1)
		abort();
	src = open_source("stdin", false);
	is(source_fd(src), STDIN_FILENO, "stdin is descriptor 0");
	is(source_read(src, got, 10), -1, "nothing on a blocking stdin");
	is(errno, EAGAIN, "does not block");
	(void)!write(fds[1], "abc", 3);
	ok(same(collect(src, 3, 10, SOON, NULL), "abc"), "then something");
	(void)close(fds[1]);
	(void)collect(src, 1, 10, SOON, &end);
	ok(end, "it ends with its writer");
	source_close(src);
	is(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK, 0,
	    "stdin is left as it was");
	(void)dup2(old, STDIN_FILENO);
	(void)close(old);
	(void)close(fds[0]);
}

static void
write_fifo(const char *path, const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(path, O_WRONLY);

		_exit(write(fd, text, strlen(text)) == -1 || close(fd) == -1);
	}
	(void)waitpid(pid, NULL, 0);
}

static const char *
name_writer(char text[32], int i)
{
	(void)snprintf(text, 32, "writer %d\n", i);
	return text;
}

static void
ten_writers(struct source *src, const char *path, const char *what)
{
	char text[32], all[160] = "";
	int i, before, calls = 0;
	bool end, ends = false;

	for (i = 0; i < 10; i++) {
		strcat(all, name_writer(text, i));
	}
	before = 0;
	for (i = 0; i < 10; i++) {
		write_fifo(path, name_writer(text, i));
		(void)collect(src, strlen(text), 5, SOON, &end);
		ends = ends || end;
		before += strcmp(got, text) == 0;
	}
	is(before, 10, "%s: ten writers one after the other", what);
	(void)collect(src, 1, 5, 50, &end);
	ok(!ends && !end, "%s: never an end", what);
	/* Between writers it must sleep. */
	while (calls < 100 && source_read(src, got, 5) == -1) {
		struct pollfd pfd;

		calls++;
		(void)source_poll(src, &pfd);
		if (poll(&pfd, 1, 20) == 0)
			break;
	}
	ok(calls < 5, "%s: waits without a writer (%d calls)", what, calls);
	for (i = 0; i < 10; i++)
		write_fifo(path, name_writer(text, i));
	ok(same(collect(src, strlen(all), 7, SOON, NULL), all),
	    "%s: ten that left before the first was read", what);
}

/* Its name is gone, is that of a file, then of another FIFO. */
static void
other_fifo(struct source *src, const char *path, const char *what)
{
	struct pollfd pfd;
	bool end;

	(void)unlink(path);
	(void)collect(src, 1, 5, 100, &end);
	ok(!end && source_poll(src, &pfd) >= 0 && poll(&pfd, 1, 0) == 0,
	    "%s: without a name it waits", what);
	put(path, "no", 2);
	ok(same(collect(src, 1, 5, 1500, &end), "") && !end,
	    "%s: a file in its place is left alone", what);
	(void)unlink(path);
	if (mkfifo(path, 0444) == -1)
		abort();
	ok(same(collect(src, 1, 5, 1500, &end), "") && !end,
	    "%s: so is another without a writer", what);
	write_fifo(path, "another\n");
	ok(same(collect(src, 8, 5, SOON, &end), "another\n"),
	    "%s: whose writer is read", what);
	write_fifo(path, "and more\n");
	ok(same(collect(src, 9, 5, SOON, &end), "and more\n") && !end,
	    "%s: and the next one", what);
	(void)unlink(path);
	if (mkfifo(path, 0644) == -1)
		abort();
}

static void
test_fifo(void)
{
	struct source *src;
	const char *path = "fifo";

	if (mkfifo(in_dir(path), 0644) == -1)
		abort();
	src = open_source(in_dir(path), false);
	ok(source_fd(src) != -1, "a FIFO is a plain descriptor");
	ten_writers(src, in_dir(path), "FIFO");
	other_fifo(src, in_dir(path), "FIFO");
	source_close(src);

	writers = true;
	src = open_source(in_dir(path), false);
	writers = false;
	is(source_fd(src), -1, "not where its writers are told apart");
	ten_writers(src, in_dir(path), "told apart");
	other_fifo(src, in_dir(path), "told apart");
	(void)collect(src, 1, 1, 1500, NULL);
	write_fifo(in_dir(path), "1234");
	(void)collect(src, 2, 2, SOON, NULL);
	ok(source_other_writer(src), "what another writes is known");
	(void)collect(src, 2, 2, SOON, NULL);
	ok(!source_other_writer(src), "until more of it is read");
	source_close(src);

	/* Without the right to write there, no writer of our own. */
	if (chmod(in_dir(path), 0444) == -1 ||
	    (geteuid() == 0 && seteuid(65534) == -1))
		abort();
	src = open_source(in_dir(path), false);
	if (getuid() == 0 && seteuid(0) == -1)
		abort();
	(void)chmod(in_dir(path), 0644);
	is(source_fd(src), -1, "a FIFO we may only read is none");
	ten_writers(src, in_dir(path), "read-only FIFO");
	other_fifo(src, in_dir(path), "read-only FIFO");
	source_close(src);
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (fd == -1 || connect(fd, (struct sockaddr *)&sun,
	    sizeof(sun)) == -1)
		abort();
	return fd;
}

static void
test_unix(void)
{
	struct source *src = open_source(text_of("unix:", "socket"), false);
	int a, b, i, whole = 0;
	char text[32];
	bool end;

	if (!ok(src != NULL, "listens"))
		return;
	is(source_fd(src), -1, "a socket is not a plain descriptor");
	is(source_read(src, got, 10), -1, "nobody there");
	is(errno, EAGAIN, "is no reason to block");
	a = connect_unix(in_dir("socket"));
	b = connect_unix(in_dir("socket"));
	(void)!write(b, "second\n", 7);
	(void)!write(a, "first ", 6);
	ok(same(collect(src, ROOM, 100, 100, NULL), "first "),
	    "only the first writer is heard");
	(void)!write(a, "still\n", 6);
	(void)close(a);
	ok(same(collect(src, 13, 100, SOON, NULL), "still\nsecond\n"),
	    "the next one when it has left");
	ok(source_other_writer(src), "which is known");
	(void)close(b);
	for (i = 0; i < 10; i++) {
		a = connect_unix(in_dir("socket"));
		(void)name_writer(text, i);
		(void)!write(a, text, strlen(text));
		(void)close(a);
		whole += strcmp(collect(src, strlen(text), 4, SOON, &end),
		    text) == 0 && !end;
	}
	is(whole, 10, "ten more, without an end");
	source_close(src);
	is(access(in_dir("socket"), F_OK), -1, "the socket is removed");
}

/* -- folders --------------------------------------------------------------- */

static void
test_folder_order(void)
{
	struct source *src;
	char long_path[PATH_MAX];
	bool end;

	if (mkdir(in_dir("f"), 0755) == -1 ||
	    mkdir(in_dir("f/sub"), 0755) == -1 ||
	    mkdir(in_dir("f/.hidden"), 0755) == -1)
		abort();
	put_text("f/new", "3");
	put_text("f/old", "1");
	put_text("f/sub/middle", "2");
	put_text("f/b", "5");
	put_text("f/a", "4");
	put_text("f/empty", "");
	age("f/old", 300);
	age("f/sub/middle", 200);
	age("f/new", 100);
	age("f/a", 50);
	age("f/b", 50);
	age("f/empty", 40);
	put_text("f/.dot", "no");
	put_text("f/x.tmp", "no");
	put_text("f/x.part", "no");
	put_text("f/.hidden/x", "no");
	if (symlink(in_dir("file"), in_dir("f/link")) == -1 ||
	    mkfifo(in_dir("f/fifo"), 0644) == -1)
		abort();
	age("f/.dot", 30);
	age("f/x.tmp", 30);
	age("f/x.part", 30);
	age("f/.hidden/x", 30);
	src = open_source(text_of("folder:", "f"), true);
	ok(same(collect(src, ROOM, 3, 300, &end), "1\n2\n3\n4\n5\n\n"),
	    "what lies there, the oldest first, by name for a tie");
	ok(!end, "without an end");

	put_text("f/later", "6");
	ok(same(collect(src, 2, 100, SOON, NULL), "6\n"),
	    "a new file");
	put_text("f/y.tmp", "7");
	ok(same(collect(src, ROOM, 100, 100, NULL), ""), "not a .tmp");
	(void)rename(in_dir("f/y.tmp"), strcpy(long_path, in_dir("f/y")));
	ok(same(collect(src, 2, 100, SOON, NULL), "7\n"),
	    "but when it gets its name");
	put_text("aside", "8");
	(void)rename(in_dir("aside"), in_dir("f/sub/inside"));
	ok(same(collect(src, 2, 100, SOON, NULL), "8\n"),
	    "a file renamed into a folder within");
	(void)rename(in_dir("f/a"), in_dir("f/c"));
	(void)close(open(in_dir("f/b"), O_WRONLY | O_APPEND));
	ok(same(collect(src, ROOM, 100, 100, NULL), ""),
	    "not again what is only renamed, or opened and closed");
	put_text("f/b", "9 and more");
	ok(same(collect(src, 11, 100, SOON, NULL), "9 and more\n"),
	    "again, whole, what was changed");
	source_close(src);
}

static void
test_folder_slow_writer(void)
{
	struct source *src = open_source(text_of("folder:", "f/sub"), true);
	int fd = open(in_dir("f/sub/slow"), O_WRONLY | O_CREAT, 0644);
	char other[PATH_MAX];

	(void)collect(src, ROOM, 100, 3500, NULL);
	ok(strcmp(got, "2\n8\n") == 0 || strcmp(got, "2\n8\n\n") == 0,
	    "files of before");
	(void)!write(fd, "slow ", 5);
	ok(same(collect(src, ROOM, 100, 200, NULL), ""),
	    "nothing of a file that is being written");
	(void)!write(fd, "but sure", 8);
	(void)close(fd);
	ok(same(collect(src, 14, 100, SOON, NULL), "slow but sure\n"),
	    "all of it when it is closed");

	/* Another directory has everything looked at again. */
	fd = open(in_dir("f/sub/slower"), O_WRONLY | O_CREAT, 0644);
	(void)!write(fd, "slower ", 7);
	nap(2500);
	(void)mkdir(in_dir("f/sub/dir"), 0755);
	ok(same(collect(src, ROOM, 100, 500, NULL), ""),
	    "nor of one whose writer takes its time");
	(void)!write(fd, "still", 5);
	(void)close(fd);
	ok(same(collect(src, 13, 100, SOON, NULL), "slower still\n"),
	    "all of it once");
	put_text("aside", "linked");
	nap(2500);
	if (link(in_dir("aside"), strcpy(other,
	    in_dir("f/sub/linked"))) == -1)
		abort();
	(void)unlink(in_dir("aside"));
	(void)mkdir(in_dir("f/sub/dir2"), 0755);
	ok(same(collect(src, 7, 100, SOON, NULL), "linked\n"),
	    "a file that is linked into place has no writer");
	source_close(src);
}

static void
test_folder_comes_late(void)
{
	struct source *src = open_source(text_of("folder:", "late"), true);

	ok(src != NULL, "a folder need not be there yet");
	ok(same(collect(src, ROOM, 100, 100, NULL), ""), "it waits");
	(void)mkdir(in_dir("late"), 0755);
	put_text("late/a", "1");
	ok(same(collect(src, 2, 100, 5000, NULL), "1\n"), "until it is");
	(void)mkdir(in_dir("late/sub"), 0755);
	(void)mkdir(in_dir("late/sub/sub"), 0755);
	put_text("late/sub/sub/b", "2");
	ok(same(collect(src, 2, 100, 5000, NULL), "2\n"),
	    "a file in a new folder within");
	(void)rename(in_dir("late/sub"), in_dir("late/other"));
	(void)collect(src, ROOM, 100, 200, NULL);
	put_text("late/other/sub/c", "3");
	ok(same(collect(src, 2, 100, 5000, NULL), "3\n"),
	    "and when that was renamed");
	(void)rename(in_dir("late"), in_dir("gone"));
	(void)collect(src, ROOM, 100, 200, NULL);
	(void)mkdir(in_dir("late"), 0755);
	put_text("late/d", "4");
	ok(same(collect(src, 2, 100, 5000, NULL), "4\n"),
	    "another folder of that name");
	source_close(src);
}

static void
test_folder_gone(void)
{
	struct source *src;
	char said[256] = "";
	int old = dup(STDERR_FILENO), fd;

	(void)mkdir(in_dir("g"), 0755);
	put_text("g/a", "1");
	put_text("g/b", "2");
	put_text("g/c", "3");
	age("g/a", 30);
	age("g/b", 20);
	age("g/c", 10);
	src = open_source(text_of("folder:", "g"), true);
	(void)collect(src, 1, 1, SOON, NULL);
	(void)unlink(in_dir("g/b"));
	fd = open(in_dir("stderr"), O_RDWR | O_CREAT, 0644);
	(void)dup2(fd, STDERR_FILENO);
	(void)collect(src, 3, 100, SOON, NULL);
	(void)dup2(old, STDERR_FILENO);
	ok(same(got, "\n3\n"), "a file that has gone is passed over");
	ok(pread(fd, said, sizeof(said) - 1, 0) > 0 &&
	    strstr(said, "g/b: No such file") != NULL &&
	    strchr(said, '\n')[1] == '\0', "with a line");
	(void)close(fd);
	(void)close(old);
	source_close(src);
}

static void
test_folder_base64(void)
{
	static const size_t sizes[] = {
		0, 1, 2, 3, 4, 3072, 3073, 49151, 49152, 49153, 1000000
	};
	static uint8_t bytes[1000000];
	static char want[D4_BASE64_ENCODED(sizeof(bytes)) + 2];
	struct source *src;
	size_t i, n, right = 0;

	(void)mkdir(in_dir("b"), 0755);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	src = open_source(text_of("folder:", "b"), false);
	(void)collect(src, 1, 1, 100, NULL);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		put(in_dir("b/file"), bytes, sizes[i]);
		n = D4_BASE64_ENCODED(sizes[i]);
		d4_base64_encode(want, bytes, sizes[i]);
		strcpy(want + n, "\n");
		right += strcmp(collect(src, n + 1, 4099, SOON, NULL),
		    want) == 0;
		/* The next one shall not have the same time. */
		nap(20);
	}
	is(right, i, "base64 of files of many sizes, a newline behind each");
	source_close(src);
}

static void
test_folder_pattern(void)
{
	static const char *bad[] = { "%Q", "100%", "%s", "" };
	char day[64], name[128];
	struct source *src;
	struct tm tm;
	time_t now;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(name, sizeof(name), "folder:%s", bad[i]);
		ok(open_source(name, true) == NULL, "\"%s\" is refused",
		    bad[i]);
	}
	(void)setenv("TZ", "UTC0", 1);
	tzset();
	now = time(NULL);
	(void)strftime(day, sizeof(day), "day-%Y%m%d-%H", gmtime_r(&now, &tm));
	(void)mkdir(in_dir(day), 0755);
	(void)snprintf(name, sizeof(name), "%s/a", day);
	put_text(name, "1");
	age(name, 10);
	src = open_source(text_of("folder:", "day-%Y%m%d-%H"), true);
	ok(same(collect(src, 2, 100, SOON, NULL), "1\n"), "today's folder");

	/* In the middle of the night the clock strikes. */
	(void)setenv("TZ", "EAST-12", 1);
	tzset();
	ok(same(collect(src, ROOM, 100, 1500, NULL), ""),
	    "the next day's is not there yet");
	(void)snprintf(name, sizeof(name), "%s/late", day);
	put_text(name, "2");
	ok(same(collect(src, 2, 100, SOON, NULL), "2\n"),
	    "a file completed late in the one of before");
	now += 12 * 3600;
	(void)strftime(day, sizeof(day), "day-%Y%m%d-%H", gmtime_r(&now, &tm));
	(void)mkdir(in_dir(day), 0755);
	(void)snprintf(name, sizeof(name), "%s/b", day);
	put_text(name, "3");
	ok(same(collect(src, 2, 100, 5000, NULL), "3\n"), "the next day's");
	source_close(src);
	(void)unsetenv("TZ");
	tzset();
}

/* More files than the kernel remembers and than our queue holds. */
static void
test_folder_overflow(void)
{
	enum { FILES = 17500 };
	static unsigned char times[FILES];
	struct source *src;
	char name[32], *line, *next;
	size_t i, once = 0, len = 0;

	(void)mkdir(in_dir("o"), 0755);
	src = open_source(text_of("folder:", "o"), true);
	(void)collect(src, 1, 1, 100, NULL);
	for (i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "o/%zu", i);
		put_text(name, name + 2);
		len += strlen(name + 2) + 1;
	}
	(void)collect(src, len, 4096, (int)tap_time(20000), NULL);
	for (line = got; (next = strchr(line, '\n')) != NULL; line = next + 1) {
		i = strtoul(line, NULL, 10);
		if (i < FILES && times[i] < 255)
			times[i]++;
	}
	for (i = 0; i < FILES; i++)
		once += times[i] == 1;
	is(once, FILES, "each of %d files once after an overflow", FILES);
	ok(same(collect(src, ROOM, 100, 2500, NULL), ""), "and nothing more");
	source_close(src);
}

int
main(void)
{
	char command[128];

	(void)snprintf(dir, sizeof(dir), "/tmp/d4-source.XXXXXX");
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		return 1;
	tap_limit(240);
	test_file();
	test_sum();
	test_stdin();
	test_fifo();
	test_unix();
	test_folder_order();
	test_folder_slow_writer();
	test_folder_comes_late();
	test_folder_gone();
	test_folder_base64();
	test_folder_pattern();
	test_folder_overflow();
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		return 1;
	return tap_done();
}
