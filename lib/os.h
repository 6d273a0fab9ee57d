/* SPDX-License-Identifier: ISC */
#ifndef LIB_OS_H
#define LIB_OS_H

/* What only some systems can do: os-linux.c does it, os-posix.c leaves it out.
 * Nothing depends on it but speed. */

/* Asks for pipes as large as an unprivileged process may have; for anything
 * but a pipe nothing happens. */
void d4_os_grow_pipe(int fd);

#endif
