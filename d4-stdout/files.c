/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-stdout/files.h"
#include "d4-stdout/merge.h"
#include "lib/gz.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/os.h"

#define BUFFER		((size_t)256 << 10)

/* A FIFO must not make us wait, nor a terminal become ours. */
#define FLAGS		(O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

struct files {
	enum content	 content;
	struct output	*out;
	struct merge	*merge;
	uint8_t		*buf;
	int		 root;		/* -1 without */
	const char	*root_name;
	char		*root_path;	/* without symbolic links */
};

static int
open_root(struct files *f, const char *name)
{
	f->root_name = name;
	f->root = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root == -1 ||
	    (f->root_path = realpath(name, NULL)) == NULL) {
		d4_log_warn("%s", name);
		return -1;
	}
	return 0;
}

struct files *
files_new(const struct options *o, struct output *out)
{
	struct files *f = calloc(1, sizeof(*f));

	if (f != NULL) {
		f->content = o->content;
		f->out = out;
		f->root = -1;
		f->merge = merge_new(out);
		f->buf = malloc(BUFFER);
	}
	if (f == NULL || f->merge == NULL || f->buf == NULL)
		d4_log_warnx("memory: not enough");
	else if (o->root == NULL || open_root(f, o->root) == 0)
		return f;
	files_free(f);
	return NULL;
}

void
files_free(struct files *f)
{
	if (f == NULL)
		return;
	if (f->root != -1)
		(void)close(f->root);
	free(f->root_path);
	merge_free(f->merge);
	free(f->buf);
	free(f);
}

/* -- opening --------------------------------------------------------------- */

/* What follows the directory in the path, NULL when it is not beneath. */
static const char *
behind(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len > 0 && dir[len - 1] == '/')
		len--;
	if (strncmp(path, dir, len) != 0 || path[len] != '/')
		return NULL;
	return path + len + strspn(path + len, "/");
}

static int
open_beneath(const struct files *f, const char *path)
{
	const char *rest = path;
	int fd;

	if (*path == '/' && (rest = behind(path, f->root_path)) == NULL &&
	    (*f->root_name != '/' ||
	    (rest = behind(path, f->root_name)) == NULL)) {
		errno = EXDEV;
		return -1;
	}
	fd = d4_os_open_beneath(f->root, rest, FLAGS);
	return fd == -1 && errno == ENOSYS ?
	    d4_io_open_beneath(f->root, rest, FLAGS) : fd;
}

/* A shortage of ours is no fault of the file, which another try may read. */
static enum files_end
end_of(int err)
{
	return err == ENOMEM || err == EMFILE || err == ENFILE ?
	    FILES_FAILED : FILES_SKIPPED;
}

/* Opens a regular file.  FILES_SENT, or has said why not. */
static enum files_end
open_item(const struct files *f, const struct d4_queue_item *item, int *fd)
{
	const char *path = (const char *)item->data;
	struct stat st;

	if (strlen(path) != item->len || item->len == 0) {
		d4_log_warnx("%s: not the name of a file", path);
		return FILES_SKIPPED;
	}
	*fd = f->root == -1 ? open(path, FLAGS) : open_beneath(f, path);
	if (*fd == -1) {
		if (f->root != -1 && (errno == EXDEV || errno == ELOOP))
			d4_log_warnx("%s: not beneath %s", path, f->root_name);
		else
			d4_log_warn("%s", path);
		return end_of(errno);
	}
	if (fstat(*fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		d4_log_warnx("%s: not a regular file", path);
		(void)close(*fd);
		return FILES_SKIPPED;
	}
	return FILES_SENT;
}

/* -- writing --------------------------------------------------------------- */

static enum files_end
copy(struct files *f, int fd, const char *path)
{
	ssize_t n;

	while ((n = d4_io_read(fd, f->buf, BUFFER)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			d4_log_warn("%s", path);
			return end_of(errno);
		}
		if (output_write(f->out, f->buf, (size_t)n) == -1)
			return FILES_FAILED;
	}
	return FILES_SENT;
}

static enum files_end
inflate(struct files *f, struct d4_gz_in *in, const char *path)
{
	enum files_end end;
	ssize_t n;

	while ((n = d4_gz_in_read(in, f->buf, BUFFER)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			end = end_of(errno);
			d4_log_warnx("%s: %s", path, d4_gz_in_fault(in));
			return end;
		}
		if (output_write(f->out, f->buf, (size_t)n) == -1)
			return FILES_FAILED;
	}
	return FILES_SENT;
}

static enum files_end
merge(struct files *f, struct d4_gz_in *in, const char *path)
{
	enum merge_end end = merge_file(f->merge, in);

	if (end == MERGE_DONE)
		return FILES_SENT;
	if (end == MERGE_OUTPUT)
		return FILES_FAILED;
	d4_log_warnx("%s: %s", path, merge_why(f->merge));
	return end == MERGE_MISFIT ? FILES_MISFIT :
	    end == MERGE_SHORT ? FILES_FAILED : FILES_SKIPPED;
}

static enum files_end
send_inside(struct files *f, int fd, const char *path)
{
	struct d4_gz_in *in = d4_gz_in_open(fd);
	enum files_end end;

	if (in == NULL) {
		d4_log_warnx("%s: memory: not enough", path);
		return FILES_FAILED;
	}
	end = f->content == CONTENT_MERGED ? merge(f, in, path) :
	    inflate(f, in, path);
	d4_gz_in_close(in);
	return end;
}

enum files_end
files_send(struct files *f, const struct d4_queue_item *item)
{
	const char *path = (const char *)item->data;
	enum files_end end;
	int fd;

	if ((end = open_item(f, item, &fd)) != FILES_SENT)
		return end;
	end = f->content == CONTENT_FILE ? copy(f, fd, path) :
	    send_inside(f, fd, path);
	(void)close(fd);
	return end;
}
