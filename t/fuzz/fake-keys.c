/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/fake-keys.h"
#include "t/fuzz/faults.h"

#define WORDS	16

struct text {
	const char	*bytes;
	size_t		 len;
};

/* A string has one row without a field; of a list the values are empty. */
struct row {
	struct text	key, field, value;
};

struct command {
	const char	*name;
	int		 least;		/* words, with the name */
	void		(*run)(struct fake_reply *, int, const struct text[],
	    int how);
	int		 how;
};

static struct row rows[FAKE_ROWS];
static size_t nrows;
static const struct text none = { "", 0 };

/* -- rows ------------------------------------------------------------------ */

static bool
same(const struct text *a, const struct text *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static bool
is_word(const struct text *a, const char *word)
{
	return a->len == strlen(word) && memcmp(a->bytes, word, a->len) == 0;
}

static struct text
copy(const struct text *from)
{
	char *bytes = malloc(from->len + 1);

	assert(bytes != NULL);
	memcpy(bytes, from->bytes, from->len);
	bytes[from->len] = '\0';
	return (struct text){ bytes, from->len };
}

static void
discard(const struct text *text)
{
	free((void *)(uintptr_t)text->bytes);
}

static void
take(size_t i)
{
	discard(&rows[i].key);
	discard(&rows[i].field);
	discard(&rows[i].value);
	memmove(&rows[i], &rows[i + 1], (--nrows - i) * sizeof(*rows));
}

static struct row *
find(const struct text *key, const struct text *field)
{
	size_t i;

	for (i = 0; i < nrows; i++) {
		if (same(&rows[i].key, key) && (field == NULL ||
		    same(&rows[i].field, field)))
			return &rows[i];
	}
	return NULL;
}

static void
append(const struct text *key, const struct text *field,
    const struct text *value)
{
	if (nrows == FAKE_ROWS)
		take(0);
	rows[nrows++] = (struct row){ copy(key), copy(field), copy(value) };
}

/* Whether it is new. */
static bool
put(const struct text *key, const struct text *field, const struct text *value)
{
	struct row *row = find(key, field);

	if (row == NULL) {
		append(key, field, value);
		return true;
	}
	discard(&row->value);
	row->value = copy(value);
	return false;
}

/* How many were there; field NULL: all. */
static long long
drop(const struct text *key, const struct text *field)
{
	struct row *row;
	long long n = 0;

	while ((row = find(key, field)) != NULL) {
		take((size_t)(row - rows));
		n++;
	}
	return n;
}

static long long
count(const struct text *key)
{
	long long n = 0;
	size_t i;

	for (i = 0; i < nrows; i++)
		n += same(&rows[i].key, key);
	return n;
}

static void
string(struct fake_reply *r, const struct text *text)
{
	fake_reply_text(r, D4_REDIS_STRING, text->bytes, text->len);
}

static void
value_of(struct fake_reply *r, const struct row *row)
{
	if (row == NULL)
		fake_reply_nil(r);
	else
		string(r, &row->value);
}

/* -- commands -------------------------------------------------------------- */

static void
do_get(struct fake_reply *r, int n, const struct text w[], int how)
{
	(void)n;
	(void)how;
	value_of(r, find(&w[1], &none));
}

static void
do_set(struct fake_reply *r, int n, const struct text w[], int how)
{
	bool is = find(&w[1], &none) != NULL;
	int i;

	(void)how;
	for (i = 3; i < n; i++) {
		if (is_word(&w[i], is ? "NX" : "XX")) {
			fake_reply_nil(r);
			return;
		}
	}
	(void)put(&w[1], &none, &w[2]);
	fake_reply_text(r, D4_REDIS_STATUS, "OK", 2);
}

static void
do_del(struct fake_reply *r, int n, const struct text w[], int how)
{
	long long gone = 0;
	int i;

	(void)how;
	for (i = 1; i < n; i++)
		gone += drop(&w[i], NULL) > 0;
	fake_reply_number(r, gone);
}

static void
do_exists(struct fake_reply *r, int n, const struct text w[], int how)
{
	(void)how;
	fake_reply_number(r, find(&w[1], n > 2 ? &w[2] : NULL) != NULL);
}

static void
do_length(struct fake_reply *r, int n, const struct text w[], int how)
{
	(void)n;
	(void)how;
	fake_reply_number(r, count(&w[1]));
}

/* INCR, HINCRBY and ZINCRBY have the number at another place. */
static void
do_add_number(struct fake_reply *r, int n, const struct text w[], int how)
{
	const struct text *field = n < 4 ? &none : &w[how == 3 ? 3 : 2];
	const struct row *row = find(&w[1], field);
	char text[24];
	struct text number = { text, 0 };
	long long sum;

	sum = (n < 4 ? 1 : strtoll(w[how == 3 ? 2 : 3].bytes, NULL, 10)) / 2 +
	    (row == NULL ? 0 : strtoll(row->value.bytes, NULL, 10) / 2);
	number.len = (size_t)snprintf(text, sizeof(text), "%lld", sum);
	(void)put(&w[1], field, &number);
	fake_reply_number(r, sum);
}

static void
do_hset(struct fake_reply *r, int n, const struct text w[], int how)
{
	long long new = 0;
	int i;

	(void)how;
	for (i = 2; i + 1 < n; i += 2)
		new += put(&w[1], &w[i], &w[i + 1]);
	fake_reply_number(r, new);
}

static void
do_hget(struct fake_reply *r, int n, const struct text w[], int how)
{
	(void)n;
	(void)how;
	value_of(r, find(&w[1], &w[2]));
}

static void
do_hmget(struct fake_reply *r, int n, const struct text w[], int how)
{
	int i;

	(void)how;
	fake_reply_array(r, 0);
	for (i = 2; i < n; i++)
		value_of(fake_reply_more(r), find(&w[1], &w[i]));
}

/* Fields and, if they are asked for, values; of SORT as many as its limit. */
static void
do_list(struct fake_reply *r, int n, const struct text w[], int how)
{
	bool pairs = how == 2 || is_word(&w[n - 1], "WITHSCORES");
	size_t i, most = n > 4 && is_word(&w[2], "LIMIT") ? 1 : FAKE_ROWS;

	fake_reply_array(r, 0);
	for (i = 0; i < nrows && r->reply.n < most; i++) {
		if (!same(&rows[i].key, &w[1]))
			continue;
		string(fake_reply_more(r), &rows[i].field);
		if (pairs)
			string(fake_reply_more(r), &rows[i].value);
	}
}

static void
do_hdel(struct fake_reply *r, int n, const struct text w[], int how)
{
	long long gone = 0;
	int i;

	(void)how;
	for (i = 2; i < n; i++)
		gone += drop(&w[1], &w[i]);
	fake_reply_number(r, gone);
}

static void
do_sadd(struct fake_reply *r, int n, const struct text w[], int how)
{
	long long new = 0;
	int i;

	(void)how;
	for (i = 2; i < n; i++)
		new += put(&w[1], &w[i], &none);
	fake_reply_number(r, new);
}

static void
do_smove(struct fake_reply *r, int n, const struct text w[], int how)
{
	bool was = n > 3 && drop(&w[1], &w[3]) > 0;

	(void)how;
	if (was)
		(void)put(&w[2], &w[3], &none);
	fake_reply_number(r, was);
}

static void
do_rpush(struct fake_reply *r, int n, const struct text w[], int how)
{
	int i;

	(void)how;
	for (i = 2; i < n; i++)
		append(&w[1], &w[i], &none);
	fake_reply_number(r, count(&w[1]));
}

static void
do_lrem(struct fake_reply *r, int n, const struct text w[], int how)
{
	struct row *row = n > 3 ? find(&w[1], &w[3]) : NULL;

	(void)how;
	fake_reply_number(r, row != NULL);
	if (row != NULL)
		take((size_t)(row - rows));
}

/* One of its ends, which another list gets; false when there is none. */
static bool
pop(struct fake_reply *r, const struct text *key, bool first,
    const struct text *to)
{
	size_t i, at = FAKE_ROWS;
	struct text element;

	for (i = 0; i < nrows && !(first && at < FAKE_ROWS); i++) {
		if (same(&rows[i].key, key))
			at = i;
	}
	if (at == FAKE_ROWS)
		return false;
	string(r, &rows[at].field);
	element = copy(&rows[at].field);
	take(at);
	if (to != NULL)
		append(to, &element, &none);
	discard(&element);
	return true;
}

/* LPOP, RPOP, BRPOP with its key before it; of RPOP perhaps so many. */
static void
do_pop(struct fake_reply *r, int n, const struct text w[], int how)
{
	long most = how == 'r' && n > 2 ? strtol(w[2].bytes, NULL, 10) : 0;
	struct fake_reply one;

	fake_reply_nil(r);
	if (most == 0 && how != 'b') {
		(void)pop(r, &w[1], how == 'l', NULL);
		return;
	}
	if (!pop(&one, &w[1], false, NULL))
		return;
	fake_reply_array(r, 0);
	if (how == 'b')
		string(fake_reply_more(r), &w[1]);
	do
		*fake_reply_more(r) = one;
	while (how != 'b' && --most > 0 && pop(&one, &w[1], false, NULL));
}

static void
do_rpoplpush(struct fake_reply *r, int n, const struct text w[], int how)
{
	(void)n;
	(void)how;
	fake_reply_nil(r);
	(void)pop(r, &w[1], false, &w[2]);
}

/* All at once, each key once but for the first, which may come again. */
static void
do_scan(struct fake_reply *r, int n, const struct text w[], int how)
{
	size_t i, len = n > 3 && w[3].len > 0 ? w[3].len - 1 : 0;
	const struct row *first = NULL;
	struct fake_reply *keys;

	(void)how;
	fake_reply_array(r, 1);
	string(&r->elements[0], &(struct text){ "0", 1 });
	fake_reply_array(keys = fake_reply_more(r), 0);
	for (i = 0; i < nrows; i++) {
		if (rows[i].key.len < len || memcmp(rows[i].key.bytes,
		    w[3].bytes, len) != 0 ||
		    find(&rows[i].key, NULL) != &rows[i])
			continue;
		string(fake_reply_more(keys), &rows[i].key);
		first = first == NULL ? &rows[i] : first;
	}
	if (first != NULL)
		string(fake_reply_more(keys), &first->key);
}

static const struct command commands[] = {
	{ "GET", 2, do_get, 0 }, { "SET", 3, do_set, 0 },
	{ "DEL", 2, do_del, 0 }, { "EXISTS", 2, do_exists, 0 },
	{ "INCR", 2, do_add_number, 0 }, { "HINCRBY", 4, do_add_number, 0 },
	{ "ZINCRBY", 4, do_add_number, 3 }, { "HSET", 4, do_hset, 0 },
	{ "HGET", 3, do_hget, 0 }, { "HMGET", 3, do_hmget, 0 },
	{ "HGETALL", 2, do_list, 2 }, { "HKEYS", 2, do_list, 1 },
	{ "SMEMBERS", 2, do_list, 1 }, { "SORT", 2, do_list, 1 },
	{ "ZRANGE", 4, do_list, 1 }, { "LRANGE", 4, do_list, 1 },
	{ "HLEN", 2, do_length, 0 }, { "SCARD", 2, do_length, 0 },
	{ "LLEN", 2, do_length, 0 }, { "HEXISTS", 3, do_exists, 0 },
	{ "SISMEMBER", 3, do_exists, 0 }, { "HDEL", 3, do_hdel, 0 },
	{ "SREM", 3, do_hdel, 0 }, { "ZREM", 3, do_hdel, 0 },
	{ "SADD", 3, do_sadd, 0 }, { "SMOVE", 4, do_smove, 0 },
	{ "RPUSH", 3, do_rpush, 0 }, { "LREM", 4, do_lrem, 0 },
	{ "LPOP", 2, do_pop, 'l' }, { "RPOP", 2, do_pop, 'r' },
	{ "BRPOP", 3, do_pop, 'b' }, { "RPOPLPUSH", 3, do_rpoplpush, 0 },
	{ "BRPOPLPUSH", 3, do_rpoplpush, 0 }, { "SCAN", 6, do_scan, 0 }
};

void
fake_keys_clear(void)
{
	while (nrows > 0)
		take(nrows - 1);
}

bool
fake_keys_do(struct fake_reply *r, int argc, const char *const argv[],
    const size_t len[])
{
	const struct command *c = commands;
	const struct command *end = c + sizeof(commands) / sizeof(*c);
	struct text words[WORDS];
	bool were;
	int i;

	if (argc < 1 || argc > WORDS)
		return false;
	for (i = 0; i < argc; i++) {
		words[i] = (struct text){ argv[i],
		    len == NULL ? strlen(argv[i]) : len[i] };
	}
	while (c < end && !is_word(&words[0], c->name))
		c++;
	if (c == end || argc < c->least)
		return false;
	were = faults_pause();
	c->run(r, argc, words, c->how);
	faults_resume(were);
	return true;
}
