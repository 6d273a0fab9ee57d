/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "t/unit/tap.h"

#define BYTES	(3u << 20)	/* much more than a pipe holds */

static volatile sig_atomic_t alarms;
static uint8_t data[BYTES];

static void
on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* An alarm each millisecond, so that blocking calls are interrupted; under
 * valgrind nothing else would be done. */
static void
ring(bool on)
{
	struct timeval wait = {
		.tv_usec = !on ? 0 : tap_slow() ? 50000 : 1000
	};
	struct itimerval each = { .it_interval = wait, .it_value = wait };
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_alarm;
	if (sigaction(SIGALRM, &sa, NULL) == -1 ||
	    setitimer(ITIMER_REAL, &each, NULL) == -1)
		abort();
}

static void
make_pipe(int fds[2], bool nonblock)
{
	int i;

	if (pipe(fds) == -1)
		abort();
	for (i = 0; i < 2 && nonblock; i++)
		(void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
}

static void
nap(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/*
 * Reads the pipe slowly and to its end; the status is 0 when the bytes were
 * those of data, len of them.
 */
static pid_t
start_reader(int fds[2], size_t len)
{
	uint8_t buf[70000];
	size_t done = 0;
	ssize_t got = 0;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) != 0)
		return pid;
	close(fds[1]);
	(void)fcntl(fds[0], F_SETFL, 0);
	nap(20);
	while ((got = read(fds[0], buf, sizeof(buf))) > 0) {
		if (memcmp(buf, data + done, (size_t)got) != 0)
			_exit(2);
		done += (size_t)got;
		if (done % 7 == 0)
			nap(1);
	}
	_exit(got == 0 && done == len ? 0 : 1);
}

static int
status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_write(bool nonblock, const char *how)
{
	size_t done = 0;
	pid_t pid;
	int fds[2];

	make_pipe(fds, nonblock);
	pid = start_reader(fds, BYTES);
	close(fds[0]);
	alarms = 0;
	ring(true);
	is(d4_io_write_full(fds[1], data, BYTES, &done), 0,
	    "%s: write_full finishes a short write", how);
	ring(false);
	ok(alarms > 0, "and was interrupted meanwhile");
	is(done, BYTES, "all went out");
	close(fds[1]);
	is(status_of(pid), 0, "and arrived");
}

/* More pieces than one call takes, empty ones among them. */
static void
test_writev(void)
{
	static struct iovec iov[5000];
	size_t i, at = 0, done = 0;
	pid_t pid;
	int fds[2];

	for (i = 0; i < 5000; i++) {
		iov[i].iov_base = data + at;
		iov[i].iov_len = i % 3 == 0 ? 0 : i % 700;
		at += iov[i].iov_len;
	}
	make_pipe(fds, true);
	pid = start_reader(fds, at);
	close(fds[0]);
	is(d4_io_writev_full(fds[1], iov, 5000, &done), 0,
	    "writev_full takes more than IOV_MAX pieces");
	is(done, at, "all of them");
	close(fds[1]);
	is(status_of(pid), 0, "in order");
	is(d4_io_writev_full(-1, iov, 0, &done), 0, "no piece, no write");
	is(done, 0, "and no byte");
}

static void
test_closed_reader(void)
{
	size_t done = 99;
	int fds[2];

	(void)signal(SIGPIPE, SIG_IGN);
	make_pipe(fds, false);
	close(fds[0]);
	is(d4_io_write_full(fds[1], data, 10, &done), -1,
	    "a closed reader is a fault");
	is(errno, EPIPE, "EPIPE");
	is(done, 0, "of which nothing went out");
	close(fds[1]);
	is(d4_io_write_full(-1, data, 10, NULL), -1, "so is no descriptor");
	is(errno, EBADF, "EBADF, and done may be NULL");
}

static void
test_partial(void)
{
	size_t done = 0;
	pid_t pid;
	int fds[2];

	make_pipe(fds, false);
	fflush(stdout);
	if ((pid = fork()) == 0) {
		uint8_t byte[1000];

		close(fds[1]);
		_exit(read(fds[0], byte, sizeof(byte)) == 1000 ? 0 : 1);
	}
	close(fds[0]);
	is(d4_io_write_full(fds[1], data, BYTES, &done), -1,
	    "a reader that goes away");
	is(status_of(pid), 0, "it had read some");
	ok(done > 0 && done < BYTES, "done says how far it came");
	close(fds[1]);
}

static void
test_read(bool nonblock, const char *how)
{
	uint8_t buf[100];
	pid_t pid;
	int fds[2];

	make_pipe(fds, nonblock);
	fflush(stdout);
	if ((pid = fork()) == 0) {
		size_t i;

		close(fds[0]);
		for (i = 0; i < 30; i++) {
			nap(3);
			if (write(fds[1], data + i, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	close(fds[1]);
	is(d4_io_read(fds[0], buf, sizeof(buf)), 1,
	    "%s: read waits and takes what is there", how);
	ring(true);
	is(d4_io_read_full(fds[0], buf + 1, 9), 9,
	    "read_full takes what was asked, over interruptions");
	is(d4_io_read_full(fds[0], buf + 10, 90), 20,
	    "or what there is before the end");
	ring(false);
	ok(memcmp(buf, data, 30) == 0, "the bytes are right");
	is(d4_io_read_full(fds[0], buf, 1), 0, "the end again");
	close(fds[0]);
	is(status_of(pid), 0, "the writer is done");
	is(d4_io_read_full(-1, buf, 1), -1, "no descriptor is a fault");
}

static void
test_interrupted_read(bool nonblock, const char *how)
{
	uint8_t byte;
	int fds[2];

	make_pipe(fds, nonblock);
	ring(true);
	is(d4_io_read(fds[0], &byte, 1), -1, "%s: a signal ends a read", how);
	is(errno, EINTR, "EINTR comes through");
	is(d4_io_wait(fds[0], 0), -1, "and a wait");
	is(errno, EINTR, "likewise");
	ring(false);
	is(d4_io_wait(fds[1], 1), 0, "an empty pipe can be written at once");
	close(fds[1]);
	is(d4_io_wait(fds[0], 0), 0, "the end of file is worth a read");
	close(fds[0]);
}

/* What a program sees that was started without its standard descriptors. */
static int
held(void)
{
	char byte;
	int fd;

	for (fd = 0; fd <= 2; fd++)
		close(fd);
	d4_io_hold_standard();
	if ((fd = open("/dev/null", O_RDWR)) <= 2)
		return 1;
	if (read(0, &byte, 1) != -1)
		return 2;
	if (write(1, "", 1) != -1 || write(2, "", 1) != 1)
		return 3;
	close(0);
	if (open("/dev/zero", O_RDONLY) != 0)
		return 4;
	d4_io_hold_standard();
	return read(0, &byte, 1) == 1 ? 0 : 5;
}

static void
test_hold(void)
{
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0)
		_exit(held());
	is(status_of(pid), 0, "closed standard descriptors are held, "
	    "reading and writing them fails, open ones stay");
}

static void
test_is_file(void)
{
	FILE *one = tmpfile(), *other = tmpfile();
	struct stat st, null;
	int fd = open("/dev/null", O_RDWR), again;

	if (one == NULL || other == NULL || fd == -1 ||
	    fstat(fileno(one), &st) == -1 || fstat(fd, &null) == -1 ||
	    (again = dup(fileno(one))) == -1) {
		(void)ok(false, "there are files to compare");
		return;
	}
	ok(d4_io_is_file(again, &st), "a file is itself");
	ok(!d4_io_is_file(fileno(other), &st), "and not another one");
	ok(!d4_io_is_file(fd, &null), "a device may be read and written");
	ok(!d4_io_is_file(-1, &st), "nothing is no file");
	close(again);
	close(fd);
	fclose(one);
	fclose(other);
}

int
main(void)
{
	size_t i;

	for (i = 0; i < BYTES; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	test_write(false, "blocking");
	test_write(true, "non-blocking");
	test_writev();
	test_closed_reader();
	test_partial();
	test_read(false, "blocking");
	test_read(true, "non-blocking");
	test_interrupted_read(false, "blocking");
	test_interrupted_read(true, "non-blocking");
	test_hold();
	test_is_file();
	return tap_done();
}
