/* SPDX-License-Identifier: ISC */

/* Opening files beneath a directory: by the system's own call where there is
 * one, and component by component, alike. */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/os.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

static int dir;

/* Whether the way opens it, or not. */
static void
check(const char *name, int (*way)(int, const char *, int), const char *path,
    bool opens)
{
	int fd = way(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	ok((fd != -1) == opens, "%s: %s: %s", name, path,
	    opens ? "opened" : "not opened");
	if (fd != -1)
		(void)close(fd);
}

static void
check_all(const char *name, int (*way)(int, const char *, int))
{
	char name255[300], tail[700];

	check(name, way, "file", true);
	check(name, way, "./file", true);
	check(name, way, "sub/deep/file", true);
	check(name, way, "sub//deep///./file", true);
	check(name, way, "sub/deep", true);
	check(name, way, "missing", false);
	check(name, way, "sub/missing/file", false);
	check(name, way, "file/", false);
	check(name, way, "file/file", false);
	check(name, way, "", false);
	check(name, way, "/", false);
	check(name, way, scratch_path("root/file"), false);
	check(name, way, "..", false);
	check(name, way, "../outside", false);
	check(name, way, "sub/../../outside", false);
	check(name, way, "link", false);
	check(name, way, "dirlink/file", false);
	check(name, way, "sub/out", false);
	check(name, way, "absolute", false);
	memset(name255, 'x', sizeof(name255));
	name255[sizeof(name255) - 1] = '\0';
	(void)snprintf(tail, sizeof(tail), "sub/%s/file", name255);
	check(name, way, tail, false);
}

int
main(void)
{
	char outside[600];

	if (scratch_make() == -1)
		return 1;
	(void)snprintf(outside, sizeof(outside), "%s",
	    scratch_path("outside"));
	(void)mkdir(scratch_path("root"), 0700);
	(void)mkdir(scratch_path("root/sub"), 0700);
	(void)mkdir(scratch_path("root/sub/deep"), 0700);
	(void)scratch_write(outside, "x", 1);
	(void)scratch_write(scratch_path("root/file"), "x", 1);
	(void)scratch_write(scratch_path("root/sub/deep/file"), "x", 1);
	(void)!symlink("file", scratch_path("root/link"));
	(void)!symlink("sub/deep", scratch_path("root/dirlink"));
	(void)!symlink("../../outside", scratch_path("root/sub/out"));
	(void)!symlink(outside, scratch_path("root/absolute"));
	dir = open(scratch_path("root"), O_RDONLY | O_DIRECTORY);
	check_all("in parts", d4_io_open_beneath);
	if (d4_os_open_beneath(dir, "file", O_RDONLY) == -1 &&
	    errno == ENOSYS)
		skip("no such system call");
	else
		check_all("at once", d4_os_open_beneath);
	(void)close(dir);
	scratch_remove();
	return tap_done();
}
