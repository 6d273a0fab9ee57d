/* SPDX-License-Identifier: ISC */
#ifndef LIB_GZ_H
#define LIB_GZ_H

/*
 * Compressed files, in and out: gzip (RFC 1952) by zlib, or by isa-l where it
 * was found, which is several times faster; Zstandard (RFC 8878) by libzstd,
 * where it was found.  Memory is bounded, whatever the file says: the window
 * of gzip is 32 KiB, one of Zstandard is refused over 128 MiB.
 *
 * What a file is, is told by its first bytes, never by its name.  Members or
 * frames that follow one another are one stream, as for gzip(1) and zstd(1).
 */

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

enum d4_gz_kind {
	D4_GZ_PLAIN,
	D4_GZ_GZIP,
	D4_GZ_ZSTD
};

/* -- in -------------------------------------------------------------------- */

struct d4_gz_in;

/*
 * A reader of a descriptor from where it stands, which stays the caller's to
 * close; or of bytes in memory, which stay the caller's and as they are.
 * NULL with errno when memory is short.  Nothing is read yet.
 */
struct d4_gz_in *d4_gz_in_open(int fd);
struct d4_gz_in *d4_gz_in_memory(const void *, size_t len);

/* Takes NULL. */
void d4_gz_in_close(struct d4_gz_in *);

/*
 * Reads up to len > 0 bytes of what is inside.  Returns their number, 0 at the
 * end, or -1: then d4_gz_in_fault() has the words, and errno is that of
 * read(2), EINTR among them (call again), or EILSEQ when the bytes are not
 * what they began as or end too early (each call says so from then on), or
 * ENOTSUP when they are Zstandard and this build reads none, or ENOMEM.  Bytes
 * before the fault were given out before.
 */
ssize_t d4_gz_in_read(struct d4_gz_in *, void *, size_t len);

/* What the file is, once something was read: d4_gz_in_read() with a result. */
enum d4_gz_kind d4_gz_in_kind(const struct d4_gz_in *);

/* After -1: what is wrong, in a few lower-case words. */
const char *d4_gz_in_fault(const struct d4_gz_in *);

/* How many bytes of the file were taken so far, for a share done. */
uint64_t d4_gz_in_taken(const struct d4_gz_in *);

/* -- out ------------------------------------------------------------------- */

struct d4_gz_out;

/*
 * A writer to a descriptor, which stays the caller's.  Level 0 is the usual
 * one; 1 to 9 go from fast to small, as near as the library has it.  NULL with
 * errno: ENOTSUP for a kind that this build does not write, ENOMEM.
 */
struct d4_gz_out *d4_gz_out_open(int fd, enum d4_gz_kind, int level);

/* Takes NULL.  Without d4_gz_out_finish() before, the file is not complete. */
void d4_gz_out_close(struct d4_gz_out *);

/* Takes len bytes; they may wait in the compressor.  Returns 0, or -1 with
 * errno. */
int d4_gz_out_write(struct d4_gz_out *, const void *, size_t len);

/* Ends the stream: all of it has been written.  Returns 0, or -1 with errno.
 * Nothing can be written after it. */
int d4_gz_out_finish(struct d4_gz_out *);

/* Compresses from one descriptor to its end into another.  Returns 0, or -1
 * with errno. */
int d4_gz_copy(int in, int out, enum d4_gz_kind, int level);

/* Whether this build reads and writes the kind. */
int d4_gz_has(enum d4_gz_kind);

/* The usual ending of a file's name: "", ".gz", ".zst". */
const char *d4_gz_suffix(enum d4_gz_kind);

#endif
