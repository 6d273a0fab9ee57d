/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/walk.h"
#include "lib/log.h"

struct walk {
	int	(*callback)(void *, const struct walk_entry *);
	void	*cookie;
	bool	 failed;		/* something could not be read */
	char	 path[PATH_MAX];
};

static int walk_dir(struct walk *, int in, const char *name, size_t len,
    int depth);

static int
pass_over(struct walk *w)
{
	if (errno != ENOENT) {
		d4_log_warn("%s", w->path);
		w->failed = true;
	}
	return 0;
}

static int
visit(struct walk *w, int dir, size_t len, const char *name, int depth)
{
	struct walk_entry entry = { .path = w->path, .dir = dir };
	int n, r;

	n = snprintf(w->path + len, sizeof(w->path) - len, "/%s", name);
	if (n < 0 || (size_t)n >= sizeof(w->path) - len ||
	    depth == WALK_DEPTH) {
		d4_log_warnx("%.*s: too deep", (int)len, w->path);
		w->failed = true;
		return 0;
	}
	entry.name = w->path + len + 1;
	if (fstatat(dir, name, &entry.st, AT_SYMLINK_NOFOLLOW) == -1)
		return pass_over(w);
	if ((r = w->callback(w->cookie, &entry)) != 0 ||
	    !S_ISDIR(entry.st.st_mode))
		return r;
	return walk_dir(w, dir, name, len + (size_t)n, depth + 1);
}

static int
walk_dir(struct walk *w, int in, const char *name, size_t len, int depth)
{
	struct dirent *entry;
	DIR *dir = NULL;
	int fd, r = 0;

	fd = openat(in, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    (depth > 0 ? O_NOFOLLOW : 0));
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		r = pass_over(w);
		if (fd != -1)
			(void)close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			r = visit(w, fd, len, entry->d_name, depth);
		w->path[len] = '\0';
	}
	if (r == 0 && errno != 0)
		r = pass_over(w);
	(void)closedir(dir);
	return r;
}

int
walk(const char *path, int (*callback)(void *, const struct walk_entry *),
    void *cookie)
{
	struct walk w = { .callback = callback, .cookie = cookie };
	int n = snprintf(w.path, sizeof(w.path), "%s", path), r;

	if (n < 0 || (size_t)n >= sizeof(w.path)) {
		d4_log_warnx("%s: name too long", path);
		return -1;
	}
	r = walk_dir(&w, AT_FDCWD, path, (size_t)n, 0);
	return r == 0 && w.failed ? -1 : r;
}
