/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_SECRET_H
#define D4_ADMIN_SECRET_H

/* Keys of sensors, and files that must not be overwritten. */

#include <stddef.h>
#include <stdint.h>

#include "lib/registry.h"

#define SECRET_NEW	64	/* characters of a key that is made */

struct secret {
	char	text[D4_REGISTRY_KEY + 2];	/* a NUL behind it */
	size_t	len;
};

/* Makes one of hexadecimal digits.  Returns 0, or 1 and says why. */
int secret_make(struct secret *);

/* Reads one from stdin as d4-conf(5) reads the file key, with a warning for
 * what d4-core would not keep as it is.  Returns 0, or 2 and says why. */
int secret_read(struct secret *);

void secret_wipe(struct secret *);

/* Makes a new file of this mode, synced; the superuser makes it for whom the
 * directory belongs to.  Returns 0, or 1 and says why; then it is not there, or
 * was there before. */
int secret_write(const char *path, unsigned mode, const void *, size_t len);

/* Replaces a file in one step, with its owner and what it had of this mode;
 * what was there is gone. */
int secret_replace(const char *path, unsigned mode, const void *, size_t len);

#endif
