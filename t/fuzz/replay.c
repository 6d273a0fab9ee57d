/* SPDX-License-Identifier: ISC */

/*
 * usage: replay-NAME file|folder...
 *
 * Gives each file, and each file of a folder in the order of their names, to
 * the fuzz program NAME, without any engine: any compiler builds it.  It fails
 * as that does, by abort(3) or by what a sanitizer says; the name of the file
 * is on stderr then.
 */

#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *current;

static void
on_abort(int sig)
{
	static const char end[] = ": fails\n";

	(void)sig;
	(void)!write(STDERR_FILENO, current, strlen(current));
	(void)!write(STDERR_FILENO, end, sizeof(end) - 1);
}

/* The bytes lie in memory of their own, so that a read beyond is found. */
static void
replay(const char *path)
{
	struct stat st;
	uint8_t *data;
	FILE *file;
	size_t len;

	current = path;
	if ((file = fopen(path, "rb")) == NULL ||
	    fstat(fileno(file), &st) == -1)
		err(2, "%s", path);
	len = (size_t)st.st_size;
	if ((data = malloc(len + (len == 0))) == NULL ||
	    fread(data, 1, len, file) != len)
		err(2, "%s", path);
	(void)fclose(file);
	(void)LLVMFuzzerTestOneInput(data, len);
	free(data);
}

static int
is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static unsigned
replay_folder(const char *folder)
{
	struct dirent **names;
	char path[4096];
	int i, n;

	if ((n = scandir(folder, &names, is_shown, alphasort)) == -1)
		err(2, "%s", folder);
	for (i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder,
		    names[i]->d_name);
		replay(path);
		free(names[i]);
	}
	free(names);
	return (unsigned)n;
}

int
main(int argc, char *argv[])
{
	unsigned n = 0;
	struct stat st;
	int i;

	(void)signal(SIGABRT, on_abort);
	for (i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == -1)
			err(2, "%s", argv[i]);
		if (S_ISDIR(st.st_mode)) {
			n += replay_folder(argv[i]);
		} else {
			replay(argv[i]);
			n++;
		}
	}
	printf("%u inputs\n", n);
	return fflush(stdout) == 0 ? 0 : 2;
}
