/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "d4-recv/stream-check.h"

struct id {
	unsigned long long	 ms, n;
};

/* Of entries that the server has seen. */
struct counts {
	uint64_t	 open;		/* not there: taken away or refused */
	uint64_t	 refused;
	uint64_t	 there;
};

static struct id
parse(const char *text)
{
	struct id id = { 0, 0 };
	char *end;

	id.ms = strtoull(text, &end, 10);
	if (*end == '-')
		id.n = strtoull(end + 1, NULL, 10);
	return id;
}

static int
compare(const struct id *a, const struct id *b)
{
	if (a->ms != b->ms)
		return a->ms < b->ms ? -1 : 1;
	return a->n < b->n ? -1 : a->n > b->n;
}

/* Whether the answer has this id, from its element *at on. */
static bool
has(const struct d4_redis_reply *reply, size_t *at, const struct id *id)
{
	struct d4_redis_reply one;
	struct id other;
	int order = -1;

	for (; *at < reply->n && order < 0; ++*at) {
		d4_redis_element(reply, *at, &one);
		other = parse(one.text);
		order = compare(&other, id);
		if (order > 0)
			break;
	}
	return order == 0;
}

static bool
concerns(const struct cmd *cmd, uint8_t type)
{
	return cmd->kind == CMD_ADD && cmd->type == type &&
	    cmd->id[0] != '\0' && !cmd->tailed;
}

/* What is certain. */
static struct counts
look(struct pipeline_cmds *cmds, uint8_t type,
    const struct d4_redis_reply *reply)
{
	struct d4_redis_reply one, two;
	struct counts c = { 0, 0, 0 };
	struct pipeline_cmd *p;
	struct cmd *cmd;
	struct id id, last, taken;
	size_t at = 3;

	d4_redis_element(reply, 0, &one);
	last = parse(one.text);
	d4_redis_element(reply, 2, &two);
	taken = parse(two.text);
	TAILQ_FOREACH(p, cmds, entry) {
		cmd = cmd_of(p);
		if (!concerns(cmd, type))
			continue;
		id = parse(cmd->id);
		if (compare(&id, &last) > 0) {
			cmd->found = FOUND_NEW;
		} else if (has(reply, &at, &id)) {
			cmd->found = FOUND_THERE;
			c.there++;
		} else if (c.there > 0 || (two.len > 0 &&
		    compare(&id, &taken) > 0)) {
			cmd->found = FOUND_REFUSED;
			c.refused++;
		} else {
			cmd->found = FOUND_UNKNOWN;
			c.open++;
		}
	}
	return c;
}

uint64_t
check_entries(struct pipeline_cmds *cmds, uint8_t type, uint64_t added,
    const struct d4_redis_reply *reply)
{
	uint64_t all, has_had, lacking = 0;
	struct d4_redis_reply one;
	struct pipeline_cmd *p;
	struct counts c;
	struct cmd *cmd;
	bool refused;

	c = look(cmds, type, reply);
	all = added + c.open + c.refused + c.there;
	d4_redis_element(reply, 1, &one);
	has_had = one.number >= 0 ? (uint64_t)one.number : all - c.refused;
	if (has_had < all)
		lacking = all - has_had;
	/* More than that: the stream was emptied, and tells nothing. */
	refused = lacking > c.refused && lacking <= c.refused + c.open;
	TAILQ_FOREACH(p, cmds, entry) {
		cmd = cmd_of(p);
		if (concerns(cmd, type) && cmd->found == FOUND_UNKNOWN)
			cmd->found = refused ? FOUND_REFUSED : FOUND_THERE;
	}
	return has_had;
}
