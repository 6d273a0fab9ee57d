/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/registry-own.h"
#include "lib/uuid.h"

#define DAY		86400	/* seconds */

/* Addresses and types of one sensor and day that are counted apart; what
 * comes from still others counts as from "other". */
#define CELLS_MAX	1024

/* -- what is held of a sensor ---------------------------------------------- */

static void
free_noted(void *item)
{
	struct noted *noted = item;

	d4_registry_facts_free(&noted->facts);
	free(noted->cells);
	free(noted->fault);
	free(noted);
}

void
registry_free_notes(struct d4_registry *reg)
{
	d4_table_free(reg->noted, free_noted);
	reg->noted = NULL;
}

void
registry_note_drop(struct d4_registry *reg, struct noted *noted)
{
	if (noted->claims > 0 || noted->waits)
		return;
	(void)d4_table_take(reg->noted, noted->uuid);
	free_noted(noted);
}

/* Can't be read: it goes aside, what comes is counted from nothing, and the
 * next note says so. */
static void
spoilt(struct d4_registry *reg, struct noted *noted, uint32_t day)
{
	free(noted->fault);
	noted->fault = strdup(reg->why);
	reg->backend->set_aside(reg->store, noted->uuid, day);
}

struct noted *
registry_note_get(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN])
{
	struct noted *noted;

	if ((noted = d4_table_get(reg->noted, uuid)) != NULL)
		return noted;
	if ((noted = calloc(1, sizeof(*noted))) == NULL)
		goto err1;
	memcpy(noted->uuid, uuid, sizeof(noted->uuid));
	if (d4_table_put(reg->noted, noted) == -1)
		goto err2;
	if (reg->backend->load_facts(reg->store, uuid, true,
	    &noted->facts) == -1) {
		d4_registry_facts_free(&noted->facts);
		memset(&noted->facts, 0, sizeof(noted->facts));
		spoilt(reg, noted, 0);
	}
	return noted;

err2:
	free(noted);
err1:
	(void)registry_fault(reg, "%s", strerror(errno));
	return NULL;
}

static void
wait_for_flush(struct d4_registry *reg, struct noted *noted)
{
	if (noted->waits)
		return;
	noted->waits = true;
	TAILQ_INSERT_TAIL(&reg->waiting, noted, entry);
	reg->nwaiting++;
}

void
registry_note_facts(struct d4_registry *reg, struct noted *noted)
{
	noted->dirty_facts = true;
	wait_for_flush(reg, noted);
}

/* -- counts of a day ------------------------------------------------------- */

/* The index of the cell, made when missing; -1 when memory is short. */
static ptrdiff_t
find_cell(struct noted *noted, uint8_t type, const char *address)
{
	struct d4_registry_cell *cells;
	size_t i;

	for (i = 0; i < noted->ncells; i++) {
		if (noted->cells[i].type == type &&
		    strcmp(noted->cells[i].address, address) == 0)
			return (ptrdiff_t)i;
	}
	if (i >= CELLS_MAX && strcmp(address, "other") != 0)
		return find_cell(noted, type, "other");
	cells = realloc(noted->cells, (i + 1) * sizeof(*cells));
	if (cells == NULL)
		return -1;
	noted->cells = cells;
	memset(&cells[i], 0, sizeof(cells[i]));
	cells[i].type = type;
	(void)snprintf(cells[i].address, sizeof(cells[i].address), "%s",
	    address);
	noted->ncells++;
	return (ptrdiff_t)i;
}

static int
on_saved(void *cookie, const struct d4_registry_count *count)
{
	struct noted *noted = cookie;
	ptrdiff_t i;

	if ((i = find_cell(noted, count->type, count->address)) == -1)
		return -1;
	noted->cells[i].records += count->records;
	noted->cells[i].bytes += count->bytes;
	return 0;
}

static int
save_cells(struct d4_registry *reg, struct noted *noted)
{
	size_t i;

	if (!noted->dirty_cells)
		return 0;
	if (reg->backend->save_counts(reg->store, noted->day, noted->uuid,
	    noted->cells, noted->ncells) == -1)
		return -1;
	for (i = 0; i < noted->ncells; i++)
		noted->cells[i].new_records = noted->cells[i].new_bytes = 0;
	noted->dirty_cells = false;
	return 0;
}

/* Goes over to another day.  What can't be saved of the old one goes on to be
 * counted there: then -1. */
static int
turn_to_day(struct d4_registry *reg, struct noted *noted, uint32_t day)
{
	if (noted->day == day)
		return 0;
	if (save_cells(reg, noted) == -1)
		return -1;
	noted->ncells = 0;
	noted->day = day;
	if (reg->backend->load_counts(reg->store, day, noted->uuid, true,
	    on_saved, noted) != 0) {
		noted->ncells = 0;
		spoilt(reg, noted, day);
	}
	return 0;
}

static int
turn_to_time(struct d4_registry *reg, struct noted *noted, uint64_t now)
{
	if (turn_to_day(reg, noted, d4_registry_day(now)) == -1)
		return -1;
	noted->begins = now - now % DAY;
	noted->ends = noted->begins + DAY;
	return 0;
}

static void
count(struct d4_registry *reg, struct noted *noted, size_t i,
    uint64_t records, uint64_t bytes)
{
	struct d4_registry_cell *cell = &noted->cells[i];

	cell->records += records;
	cell->new_records += records;
	cell->bytes += bytes;
	cell->new_bytes += bytes;
	noted->dirty_cells = true;
	wait_for_flush(reg, noted);
}

/* -- notes ----------------------------------------------------------------- */

static int
say_fault(struct d4_registry *reg, struct noted *noted)
{
	(void)registry_fault(reg, "%s", noted->fault);
	free(noted->fault);
	noted->fault = NULL;
	return -1;
}

static void
see(struct d4_registry_seen *seen, uint64_t now)
{
	if (seen->first == 0)
		seen->first = now;
	if (seen->last < now)
		seen->last = now;
}

int
d4_registry_note(struct d4_registry *reg, struct d4_registry_claim *claim,
    uint64_t records, uint64_t bytes, uint64_t now)
{
	struct noted *noted = claim->noted;
	struct d4_registry_facts *facts = &noted->facts;
	ptrdiff_t cell;
	int r = 0;

	claim->live.records += records;
	claim->live.bytes += bytes;
	reg->live_changed = true;
	if (facts->first == 0)
		facts->first = now;
	if (facts->last < now)
		facts->last = now;
	see(&facts->seen[claim->seen], now);
	if (claim->live.extended[0] != '\0')
		see(&facts->seen[claim->seen_extended], now);
	registry_note_facts(reg, noted);
	if (now < noted->begins || now >= noted->ends)
		r = turn_to_time(reg, noted, now);
	if (claim->day != noted->day) {
		cell = noted->day == 0 ? -1 : find_cell(noted,
		    claim->live.type, claim->live.address);
		if (cell == -1)
			return registry_fault(reg, "%s", strerror(ENOMEM));
		claim->cell = (size_t)cell;
		claim->day = noted->day;
	}
	count(reg, noted, claim->cell, records, bytes);
	return r == 0 && noted->fault != NULL ? say_fault(reg, noted) : r;
}

int
d4_registry_note_error(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], const char *error, uint64_t now)
{
	struct d4_registry_facts *facts;
	struct noted *noted;
	char *p;

	if ((noted = registry_note_get(reg, uuid)) == NULL)
		return -1;
	facts = &noted->facts;
	(void)snprintf(facts->error, sizeof(facts->error), "%s", error);
	for (p = facts->error; *p != '\0'; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	facts->error_time = now;
	registry_note_facts(reg, noted);
	return noted->fault != NULL ? say_fault(reg, noted) : 0;
}

int
d4_registry_merge_facts(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], const struct d4_registry_facts *facts)
{
	struct noted *noted;
	size_t i;

	for (i = 0; i < facts->naddresses; i++) {
		if (!d4_registry_text_ok(facts->addresses[i].text,
		    D4_REGISTRY_ADDRESS))
			return registry_fault(reg, "an address is none");
	}
	if (!d4_registry_text_ok(facts->error, sizeof(facts->error)))
		return registry_fault(reg, "an error is not one line");
	if ((noted = registry_note_get(reg, uuid)) == NULL)
		return -1;
	if (d4_registry_facts_add(&noted->facts, facts) == -1)
		return registry_fault(reg, "%s", strerror(errno));
	registry_note_facts(reg, noted);
	return noted->fault != NULL ? say_fault(reg, noted) : 0;
}

int
d4_registry_merge_count(struct d4_registry *reg, uint32_t day,
    const struct d4_registry_count *more)
{
	struct noted *noted;
	ptrdiff_t cell;

	if (day < 19700101 || day > 99991231 || day / 100 % 100 - 1 > 11 ||
	    day % 100 - 1 > 30)
		return registry_fault(reg, "%lu: is not a day",
		    (unsigned long)day);
	if (!d4_registry_text_ok(more->address, sizeof(more->address)) ||
	    more->address[0] == '\0' || strchr(more->address, ' ') != NULL)
		return registry_fault(reg, "an address is none");
	if ((noted = registry_note_get(reg, more->uuid)) == NULL ||
	    turn_to_day(reg, noted, day) == -1)
		return -1;
	/* The next note finds its own day again. */
	noted->begins = noted->ends = 0;
	if ((cell = find_cell(noted, more->type, more->address)) == -1)
		return registry_fault(reg, "%s", strerror(errno));
	count(reg, noted, (size_t)cell, more->records, more->bytes);
	return noted->fault != NULL ? say_fault(reg, noted) : 0;
}

/* -- writing --------------------------------------------------------------- */

static int
flush_one(struct d4_registry *reg, struct noted *noted)
{
	if (noted->dirty_facts) {
		if (reg->backend->save_facts(reg->store, noted->uuid,
		    &noted->facts) == -1)
			return -1;
		noted->dirty_facts = false;
	}
	return save_cells(reg, noted);
}

int
d4_registry_flush(struct d4_registry *reg, size_t max)
{
	struct noted *noted;
	size_t n;
	int r = 0;

	n = max == 0 || max > reg->nwaiting ? reg->nwaiting : max;
	while (r == 0 && n-- > 0) {
		noted = TAILQ_FIRST(&reg->waiting);
		TAILQ_REMOVE(&reg->waiting, noted, entry);
		if ((r = flush_one(reg, noted)) == -1) {
			/* The others needn't wait for this one. */
			TAILQ_INSERT_TAIL(&reg->waiting, noted, entry);
			continue;
		}
		noted->waits = false;
		reg->nwaiting--;
		registry_note_drop(reg, noted);
	}
	if (registry_flush_queues(reg) == -1 ||
	    registry_flush_live(reg, max == 0) == -1)
		r = -1;
	return r == -1 ? -1 : (int)reg->nwaiting;
}
