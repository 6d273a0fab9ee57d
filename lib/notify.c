/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/notify.h"

void
d4_notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun;
	size_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    (len = strlen(path)) >= sizeof(sun.sun_path))
		return;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';	/* an abstract name */
	if ((fd = socket(AF_UNIX, SOCK_DGRAM, 0)) == -1)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
	    (struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
}

int
d4_notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long n;

	if (usec == NULL || (pid != NULL &&
	    strtoll(pid, NULL, 10) != getpid()))
		return 0;
	n = strtoll(usec, NULL, 10) / 2000;
	return n < 0 ? 0 : n > INT_MAX ? INT_MAX : (int)n;
}

int
d4_notify_write_file(const char *path, const char *text, size_t len)
{
	char tmp[PATH_MAX];
	struct stat st;
	int fd, n, saved;

	/* A device or FIFO would be gone. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	n = snprintf(tmp, sizeof(tmp), "%s.%ld", path, (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* What is there was left by a process that died, or lies in wait. */
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1)
		return -1;
	/* Who reads it is another user, and a umask is meant for secrets. */
	if (fchmod(fd, 0644) == -1 ||
	    d4_io_write_full(fd, text, len, NULL) == -1) {
		saved = errno;
		(void)close(fd);
		goto err0;
	}
	if (close(fd) == -1 || rename(tmp, path) == -1) {
		saved = errno;
		goto err0;
	}
	return 0;

err0:
	(void)unlink(tmp);
	errno = saved;
	return -1;
}
