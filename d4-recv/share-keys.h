/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SHARE_KEYS_H
#define D4_RECV_SHARE_KEYS_H

/*
 * The keys of shared tails (share.h), changed by scripts of the server, each in
 * one step.  With d4toolkit and a colon before all:
 *
 *	tail:NAME		hash, of the stream UUID:TYPE:STREAM
 *		store		whose files it was added to last
 *		holder		token of the process that has it, "": nobody
 *		epoch		grows with each that takes it
 *		n		the last push, so that none counts twice
 *		at		what of the store's files counts: a place
 *		left:STORE	the same of one where it went on elsewhere
 *		preamble	tags of the preamble, of 16 bytes
 *		part		of the next record: tag, bytes of its payload
 *		bytes		of records, that the next key covers
 *	tail:NAME:tags		list: bytes of some records, their tags
 *	tails_of:UUID:TYPE	list of NAMEs, the newest first
 *	tails:TOKEN		a process lives; expires
 *	asked:TOKEN		list of NAMEs that others want of it
 *
 * Arguments of all are our prefix, the store, the token and the epoch; the keys
 * of a stream are the first two of KEYS.  An answer of 1 is yes, of 0 that
 * somebody else has taken the stream, of 2 that the server has forgotten what
 * it knew.
 */

#define SHARE_PREFIX	"d4toolkit:"
#define SHARE_LIFE	"604800"	/* seconds that a tail is kept */

/*
 * More: mode, NAME, UUID:TYPE.  Takes hold of the stream; mode "ask": unless
 * another that lives has it, who is asked to let go; "wait": or seems not to
 * live; "force": whoever has it; "recover": unless another has or had it.
 * Answers an array: "held"; or "own", epoch, left:STORE, at; or "others",
 * epoch, left:STORE, the other store, its at, preamble, part and all of the
 * list, of which "recover" has the first three.
 */
extern const char share_take_script[];

/* More: n, at, part or "-" for as it is, more preamble, more of the list. */
extern const char share_push_script[];

/* More: n, at, part, preamble, another store and its left or two times "", the
 * list: all of it, in the place of what was there. */
extern const char share_upload_script[];

/* More: at, the other store, its left: the stream goes on here. */
extern const char share_confirm_script[];

/* Lets go of it. */
extern const char share_release_script[];

/* Says that the process lives; answers what is asked of it. */
extern const char share_beat_script[];

#endif
