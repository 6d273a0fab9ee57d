/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "d4-admin/walk.h"
#include "lib/log.h"

struct walk {
	int	(*callback)(void *, const char *, const struct stat *);
	void	*cookie;
	char	 path[PATH_MAX];
};

static int walk_dir(struct walk *, size_t len, int depth);

static int
visit(struct walk *w, size_t len, const char *name, int depth)
{
	struct stat st;
	int n, r;

	n = snprintf(w->path + len, sizeof(w->path) - len, "/%s", name);
	if (n < 0 || (size_t)n >= sizeof(w->path) - len ||
	    depth == WALK_DEPTH) {
		d4_log_warnx("%.*s: too deep", (int)len, w->path);
		return -1;
	}
	if (lstat(w->path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		d4_log_warn("%s", w->path);
		return -1;
	}
	if ((r = w->callback(w->cookie, w->path, &st)) != 0 ||
	    !S_ISDIR(st.st_mode))
		return r;
	return walk_dir(w, len + (size_t)n, depth + 1);
}

static int
walk_dir(struct walk *w, size_t len, int depth)
{
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if ((dir = opendir(w->path)) == NULL) {
		if (errno == ENOENT)
			return 0;
		d4_log_warn("%s", w->path);
		return -1;
	}
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			r = visit(w, len, entry->d_name, depth);
	}
	(void)closedir(dir);
	return r;
}

int
walk(const char *path, int (*callback)(void *, const char *,
    const struct stat *), void *cookie)
{
	struct walk w = { .callback = callback, .cookie = cookie };
	int n = snprintf(w.path, sizeof(w.path), "%s", path);

	if (n < 0 || (size_t)n >= sizeof(w.path)) {
		d4_log_warnx("%s: name too long", path);
		return -1;
	}
	return walk_dir(&w, (size_t)n, 0);
}
