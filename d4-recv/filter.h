/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_FILTER_H
#define D4_RECV_FILTER_H

/*
 * d4-recv as a filter: one D4 stream in, the bytes it carries out.  Not one
 * byte leaves of a record that is not admitted and verified, nor of any behind
 * it; all before it do.
 */

#include "d4-recv/session.h"
#include "lib/mac.h"

struct filter {
	int			 in;
	int			 out;
	const char		*in_name;	/* for messages */
	const char		*out_name;
	const char		*meta_file;	/* for a meta header, or NULL */
	const struct rules	*rules;
	struct d4_mac		*mac;
	struct d4_mac_key	*key;
	struct session		 session;
};

/*
 * Goes on until the end of the input or a signal.  Says what goes wrong on
 * stderr.  Returns 0, or -1 when a record was refused, the stream ended within
 * one, or input or output failed.  The caller frees the session.
 */
int filter_run(struct filter *);

#endif
