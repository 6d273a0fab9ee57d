/* SPDX-License-Identifier: ISC */
#ifndef LIB_NOTIFY_H
#define LIB_NOTIFY_H

/*
 * What a service manager and a monitoring system want to hear: states for
 * systemd (sd_notify(3), spoken without its library) and figures in
 * Prometheus text form for node_exporter's textfile collector.
 */

#include <stddef.h>

/* Sends one state, as "READY=1" or "STATUS=...", to $NOTIFY_SOCKET.  Without
 * one nothing happens; a manager that does not listen is not our fault. */
void d4_notify_send(const char *state);

/* How often "WATCHDOG=1" is wanted, in ms, half of what the manager allows; 0
 * when it does not watch this process. */
int d4_notify_watchdog_ms(void);

/* Replaces the file by the text with a rename, so that a reader sees the old
 * one or the new one; everybody may be one.  Returns 0, or -1 with errno; then
 * the old one stays.  What is there and no regular file stays too: EEXIST. */
int d4_notify_write_file(const char *path, const char *text, size_t len);

#endif
