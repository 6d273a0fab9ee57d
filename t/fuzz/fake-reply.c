/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/fake-reply.h"
#include "t/fuzz/faults.h"

void
fake_reply_nil(struct fake_reply *r)
{
	memset(r, 0, sizeof(*r));
	r->reply.kind = D4_REDIS_NIL;
	r->reply.text = "";
}

void
fake_reply_number(struct fake_reply *r, long long n)
{
	fake_reply_nil(r);
	r->reply.kind = D4_REDIS_INTEGER;
	r->reply.number = n;
}

void
fake_reply_text(struct fake_reply *r, enum d4_redis_kind kind,
    const void *bytes, size_t len)
{
	bool were = faults_pause();

	fake_reply_nil(r);
	r->reply.kind = kind;
	r->text = malloc(len + 1);
	assert(r->text != NULL);
	if (len > 0)
		memcpy(r->text, bytes, len);
	r->text[len] = '\0';
	r->reply.text = r->text;
	r->reply.len = len;
	faults_resume(were);
}

void
fake_reply_array(struct fake_reply *r, size_t n)
{
	fake_reply_nil(r);
	r->reply.kind = D4_REDIS_ARRAY;
	while (r->reply.n < n)
		(void)fake_reply_more(r);
}

struct fake_reply *
fake_reply_more(struct fake_reply *r)
{
	bool were = faults_pause();

	r->elements = realloc(r->elements, (r->reply.n + 1) *
	    sizeof(*r->elements));
	assert(r->elements != NULL);
	faults_resume(were);
	r->reply.inside = r->elements;
	fake_reply_nil(&r->elements[r->reply.n]);
	return &r->elements[r->reply.n++];
}

void
fake_reply_free(struct fake_reply *r)
{
	size_t i;

	for (i = 0; i < r->reply.n; i++)
		fake_reply_free(&r->elements[i]);
	free(r->elements);
	free(r->text);
	fake_reply_nil(r);
}
