/* SPDX-License-Identifier: ISC */
#ifndef LIB_CONF_H
#define LIB_CONF_H

/*
 * A configuration is a directory, one value per file, as D4 always had it
 * (d4-conf(5)).  The value is the file up to its last newline, a carriage
 * return before that goes too; blanks stay.  A file without any newline is all
 * value.  Other files in the directory are left alone.
 *
 * Every getter gives 0, or -1 and a line for people in d4_conf_fault(), which
 * names the file and what was expected; what it would have filled in is then
 * untouched.  So a program can gather all faults before it ends.  No fault
 * line holds a value.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"

/* The longest text value, in bytes with its NUL; keys and lists included. */
#define D4_CONF_TEXT	4096

struct d4_conf;

/*
 * Opens the directory; the name is kept for messages.  NULL with errno when it
 * can't be opened as one.
 */
struct d4_conf *d4_conf_open(const char *dir);

/* Takes NULL. */
void d4_conf_close(struct d4_conf *);

/* Whether there is something of that name, readable or not, be it a link that
 * leads nowhere. */
bool d4_conf_has(const struct d4_conf *, const char *name);

/* Whether it is missing or has an empty value. */
bool d4_conf_blank(struct d4_conf *, const char *name);

/* The words of the last fault: "DIR/NAME: reason (expected ...)".  Never
 * NULL. */
const char *d4_conf_fault(const struct d4_conf *);

/* Records a fault of the caller's finding in the same form.  Returns -1. */
int d4_conf_refuse(struct d4_conf *, const char *name, const char *reason,
    const char *expected);

/* A line of text, not empty, without NUL, newline or other control character
 * within.  expected says in a few words what belongs there. */
int d4_conf_text(struct d4_conf *, const char *name, char[D4_CONF_TEXT],
    const char *expected);

/* Decimal digits alone, min <= value <= max. */
int d4_conf_number(struct d4_conf *, const char *name, uint64_t min,
    uint64_t max, uint64_t *);

/*
 * The shared secret: up to *len bytes with anything but NUL in it, blanks and
 * newlines before the last included, not empty.  *len becomes its length.
 * The caller wipes it.
 */
int d4_conf_key(struct d4_conf *, const char *name, uint8_t *key, size_t *len);

/*
 * The sensor's uuid, of version 4, in any form d4_uuid_parse() takes.  Missing
 * or empty it is made: one of two programs starting at once makes it, the
 * file appears whole and synced, mode 0600.  A wrong one is never replaced.
 */
int d4_conf_uuid(struct d4_conf *, const char *name, uint8_t[D4_UUID_LEN]);

/*
 * A list, one entry a line, blank lines left out: calls back with each entry,
 * NUL-terminated.  The callback returns 0, or -1 to refuse the entry, which
 * becomes a fault.  The file may be empty: no entries.
 */
int d4_conf_list(struct d4_conf *, const char *name, const char *expected,
    int (*entry)(void *, const char *), void *);

/*
 * The whole file as it stands, at most max bytes, in memory that the caller
 * frees; *len is its length and a NUL stands behind it.
 */
int d4_conf_file(struct d4_conf *, const char *name, size_t max,
    const char *expected, uint8_t **, size_t *len);

/*
 * Whether a file with a secret is closed to others than its owner and group,
 * who can't put another in its place either: 0, also when it is missing; 1 when
 * it isn't and that is accepted (insecure), with d4_conf_fault() to warn of it;
 * else -1, a fault that says chmod(1).
 */
int d4_conf_closed(struct d4_conf *, const char *name, bool insecure);

/* Whether it may not be read by whom we are. */
bool d4_conf_denied(const struct d4_conf *, const char *name);

/* Whether the key is that of the sample configurations, which everybody knows:
 * it is no secret, so its file may be open. */
bool d4_conf_is_sample(const void *key, size_t len);

/* "DIR/NAME" for libraries that open files by name, and would wait for a FIFO.
 * Returns -1 and a fault when that is no file, or does not fit. */
int d4_conf_path(struct d4_conf *, const char *name, char[D4_CONF_TEXT]);

#endif
