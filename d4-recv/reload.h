/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_RELOAD_H
#define D4_RECV_RELOAD_H

/* A new configuration in the place of one that is in use. */

#include "d4-recv/settings.h"
#include "lib/tls.h"

/* The context of a collector's listening side, or NULL, which was said. */
struct d4_tls_context *reload_open_tls(const struct settings *);

/*
 * Reads the directory anew.  Without fault its values replace the settings,
 * and *tls, where tls is not NULL, is a new context of them, the caller's, or
 * left alone when its files can't be read by the user that we became.  -1 when
 * there are faults, which were said: the settings stay as they are.  What holds
 * for the life of a process (source, destination, registry, queues, user,
 * workers) may not be another: that is a fault too.
 */
int reload_settings(struct settings *, const char *dir,
    struct d4_tls_context **tls);

#endif
