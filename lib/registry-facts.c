/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/registry-own.h"

bool
d4_registry_text_ok(const char *text, size_t size)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		unsigned char c = (unsigned char)text[i];

		if (i + 1 >= size || c < ' ' || c == 127)
			return false;
	}
	return true;
}

char *
d4_registry_word(char **line)
{
	char *word = *line, *end;

	if (word == NULL)
		return NULL;
	if ((end = strchr(word, ' ')) != NULL)
		*end++ = '\0';
	*line = end;
	return word;
}

int
d4_registry_digits(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (text == NULL || *text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		uint64_t digit;

		if (*text < '0' || *text > '9')
			return -1;
		digit = (uint64_t)(*text - '0');
		if (n > (max - digit) / 10 || digit > max)
			return -1;
		n = n * 10 + digit;
	}
	*out = n;
	return 0;
}

int
d4_registry_number(char **line, uint64_t max, uint64_t *n)
{
	return d4_registry_digits(d4_registry_word(line), max, n);
}

/* -- facts in memory ------------------------------------------------------- */

struct d4_registry_seen *
d4_registry_facts_seen(struct d4_registry_facts *facts, uint8_t type,
    const char *extended)
{
	struct d4_registry_seen *seen;
	size_t i;

	for (i = 0; i < facts->nseen; i++) {
		if (facts->seen[i].type == type &&
		    strcmp(facts->seen[i].extended, extended) == 0)
			return &facts->seen[i];
	}
	seen = realloc(facts->seen, (facts->nseen + 1) * sizeof(*seen));
	if (seen == NULL)
		return NULL;
	facts->seen = seen;
	seen += facts->nseen++;
	memset(seen, 0, sizeof(*seen));
	seen->type = type;
	(void)snprintf(seen->extended, sizeof(seen->extended), "%s", extended);
	return seen;
}

void
d4_registry_facts_address(struct d4_registry_facts *facts, const char *text,
    uint64_t when)
{
	size_t i, n = facts->naddresses;

	/* One place for an address; without one the oldest makes room. */
	for (i = 0; i < n; i++) {
		if (strcmp(facts->addresses[i].text, text) == 0)
			break;
	}
	if (i < n && facts->addresses[i].time >= when)
		return;
	if (i == D4_REGISTRY_ADDRESSES) {
		if (facts->addresses[--i].time > when)
			return;
	} else if (i == n)
		facts->naddresses++;
	for (; i > 0 && facts->addresses[i - 1].time <= when; i--)
		facts->addresses[i] = facts->addresses[i - 1];
	facts->addresses[i].time = when;
	(void)snprintf(facts->addresses[i].text, D4_REGISTRY_ADDRESS, "%s",
	    text);
}

static void
widen(uint64_t *first, uint64_t *last, uint64_t more_first,
    uint64_t more_last)
{
	if (*first == 0 || (more_first != 0 && more_first < *first))
		*first = more_first;
	if (more_last > *last)
		*last = more_last;
}

int
d4_registry_facts_add(struct d4_registry_facts *facts,
    const struct d4_registry_facts *more)
{
	struct d4_registry_seen *seen;
	size_t i;

	widen(&facts->first, &facts->last, more->first, more->last);
	for (i = 0; i < more->nseen; i++) {
		seen = d4_registry_facts_seen(facts, more->seen[i].type,
		    more->seen[i].extended);
		if (seen == NULL)
			return -1;
		widen(&seen->first, &seen->last, more->seen[i].first,
		    more->seen[i].last);
	}
	for (i = more->naddresses; i > 0; i--)
		d4_registry_facts_address(facts, more->addresses[i - 1].text,
		    more->addresses[i - 1].time);
	if (more->error_time > facts->error_time) {
		facts->error_time = more->error_time;
		memcpy(facts->error, more->error, sizeof(facts->error));
	}
	return 0;
}

void
d4_registry_facts_free(struct d4_registry_facts *facts)
{
	free(facts->seen);
	facts->seen = NULL;
	facts->nseen = 0;
}

/* -- facts and counts that were written ------------------------------------ */

int
d4_registry_facts(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    struct d4_registry_facts *facts)
{
	memset(facts, 0, sizeof(*facts));
	return reg->backend->load_facts(reg->store, uuid, false, facts);
}

uint32_t
d4_registry_day(uint64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 9999 - 1900)
		return 99991231;
	return (uint32_t)((tm.tm_year + 1900) * 10000 +
	    (tm.tm_mon + 1) * 100 + tm.tm_mday);
}

int
d4_registry_counts(struct d4_registry *reg, uint32_t day,
    const uint8_t *uuid, int (*callback)(void *,
    const struct d4_registry_count *), void *cookie)
{
	return reg->backend->load_counts(reg->store, day, uuid, false,
	    callback, cookie);
}

int
d4_registry_days(struct d4_registry *reg, int (*callback)(void *, uint32_t),
    void *cookie)
{
	return reg->backend->each_day(reg->store, callback, cookie);
}

int
d4_registry_forget_day(struct d4_registry *reg, uint32_t day)
{
	if (day >= d4_registry_day((uint64_t)time(NULL)))
		return registry_fault(reg, "%lu: the day is not over",
		    (unsigned long)day);
	return reg->backend->forget_day(reg->store, day);
}
