/* SPDX-License-Identifier: ISC */
#ifndef LIB_REGISTRY_BACKEND_H
#define LIB_REGISTRY_BACKEND_H

/*
 * What a backend of the registry does: it reads and writes values, sets,
 * facts, claims and definitions of queues.  The door (registry.c) has checked
 * what it hands over and keeps all caches; the backend checks what it reads.
 *
 * Unless it says otherwise a function returns 0, or -1 with the reason in the
 * D4_REGISTRY_WHY bytes that were handed to open, and 1 where nothing was to
 * be done: no such value, already a member.  A callback that returns not 0
 * ends an iteration, and that is returned.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/registry.h"

#define D4_REGISTRY_WHY	512
#define D4_REGISTRY_WORD	32

/* Marks of a sensor, kept as its values are: get and set take them too. */
#define D4_MARK_REGISTERED	(D4_FIELDS + 0)
#define D4_MARK_PENDING		(D4_FIELDS + 1)
#define D4_MARKS		(D4_FIELDS + 2)

/* Counts of one sensor and day that this process knows. */
struct d4_registry_cell {
	uint8_t		type;
	char		address[D4_REGISTRY_ADDRESS];
	uint64_t	records;	/* in all, of this process */
	uint64_t	bytes;
	uint64_t	new_records;	/* of them since the last save */
	uint64_t	new_bytes;
};

typedef int d4_registry_on_text(void *, const char *);
typedef int d4_registry_on_uuid(void *, const uint8_t[D4_UUID_LEN]);
typedef int d4_registry_on_time(void *, const uint8_t[D4_UUID_LEN], uint64_t);
typedef int d4_registry_on_day(void *, uint32_t);
typedef int d4_registry_on_waiting(void *, const struct d4_registry_waiting *);
typedef int d4_registry_on_live(void *, const struct d4_registry_live *);
typedef int d4_registry_on_count(void *, const struct d4_registry_count *);
typedef int d4_registry_on_queue(void *, const struct d4_registry_queue *);

struct d4_registry_backend {
	/* What is known of a sensor is asked for anew when it is older; 0: the
	 * stamp tells all. */
	unsigned int	max_age_ms;

	/* NULL with the reason in why; the login may be NULL. */
	void	*(*open)(const char *spec, const char *queues, bool create,
		    const struct d4_registry_login *, char *why);
	void	 (*close)(void *);
	/* NULL: there is nothing to announce. */
	int	 (*announce)(void *, const char *key);

	/* Two numbers that are others after each touch, by whomever. */
	int	 (*stamp)(void *, uint64_t[2]);
	int	 (*touch)(void *);
	/* Among administrators only; waits. */
	int	 (*lock)(void *);
	void	 (*unlock)(void *);
	/* Both locked; what set, add and remove do in between may wait for
	 * commit, marks for all other values.  NULL: nothing waits. */
	void	 (*begin)(void *);
	int	 (*commit)(void *);

	/* -- sensors: a value is at most D4_REGISTRY_KEY bytes ------------ */
	int	 (*get)(void *, const uint8_t *uuid, unsigned int field,
		    void *buf, size_t size, size_t *len);
	int	 (*set)(void *, const uint8_t *uuid, unsigned int field,
		    const void *value, size_t len);	/* NULL: unset */
	int	 (*forget)(void *, const uint8_t *uuid);	/* all values */
	/* Those with values, those with facts; 1: there is none of it. */
	int	 (*each_known)(void *, d4_registry_on_uuid *, void *);
	int	 (*each_seen)(void *, d4_registry_on_uuid *, void *);
	int	 (*is_known)(void *, const uint8_t *uuid);

	int	 (*kick)(void *, const uint8_t *uuid, uint64_t until);
	int	 (*unkick)(void *, const uint8_t *uuid);
	int	 (*each_kick)(void *, d4_registry_on_time *, void *);

	int	 (*stranger)(void *, const uint8_t *uuid, const char *address,
		    uint64_t now);
	int	 (*is_stranger)(void *, const uint8_t *uuid);
	int	 (*forget_stranger)(void *, const uint8_t *uuid);
	int	 (*each_stranger)(void *, d4_registry_on_waiting *, void *);

	/* -- sets: members in the spelling that is kept ------------------- */
	int	 (*add)(void *, enum d4_registry_set, const char *);
	int	 (*remove)(void *, enum d4_registry_set, const char *);
	int	 (*each)(void *, enum d4_registry_set, d4_registry_on_text *,
		    void *);

	/* -- the mode: a word of at most D4_REGISTRY_WORD - 1 bytes -------- */
	int	 (*get_mode)(void *, char word[D4_REGISTRY_WORD]);
	int	 (*set_mode)(void *, const char *word);	/* NULL: unset */

	/* -- live connections --------------------------------------------- */
	/* 0 claimed, 1 held by another; *took says that the claim was taken
	 * from lost, a session of this process.  Another's process finds its
	 * loss by lost(). */
	int	 (*claim)(void *, const struct d4_registry_live *,
		    bool take_over, bool *took, uint8_t lost[D4_UUID_LEN]);
	int	 (*become)(void *, const struct d4_registry_live *was,
		    const struct d4_registry_live *is);
	int	 (*release)(void *, const struct d4_registry_live *);
	/* 1 or 0; NULL: no other collector's streams are known. */
	int	 (*has_stream)(void *, const uint8_t *uuid, uint8_t type,
		    const uint8_t *hello);
	/* The next session of this process that another took; 1: none. */
	int	 (*lost)(void *, uint8_t session[D4_UUID_LEN]);
	int	 (*save_live)(void *, const struct d4_registry_live *const *,
		    size_t n, uint64_t now_ms);
	int	 (*each_live)(void *, d4_registry_on_live *, void *);

	/* -- facts: mine is what this process saved ----------------------- */
	/* Adds what there is to the facts, which are empty or not. */
	int	 (*load_facts)(void *, const uint8_t *uuid, bool mine,
		    struct d4_registry_facts *);
	int	 (*save_facts)(void *, const uint8_t *uuid,
		    const struct d4_registry_facts *);
	/* With uuid NULL of all sensors; mine only with a uuid. */
	int	 (*load_counts)(void *, uint32_t day, const uint8_t *uuid,
		    bool mine, d4_registry_on_count *, void *);
	int	 (*save_counts)(void *, uint32_t day, const uint8_t *uuid,
		    const struct d4_registry_cell *, size_t n);
	/* Puts what can't be read out of the way, for people to look at. */
	void	 (*set_aside)(void *, const uint8_t *uuid, uint32_t day);
	int	 (*each_day)(void *, d4_registry_on_day *, void *);
	int	 (*forget_day)(void *, uint32_t day);

	/* -- definitions of queues ---------------------------------------- */
	int	 (*queue_create)(void *, const struct d4_registry_queue *);
	int	 (*queue_remove)(void *, const uint8_t *queue);
	int	 (*queue_describe)(void *, const uint8_t *queue, const char *);
	int	 (*queue_limit)(void *, const uint8_t *queue, uint64_t);
	int	 (*queue_member)(void *, const uint8_t *queue,
		    const uint8_t *sensor, bool member);
	int	 (*queue_updated)(void *, const struct d4_registry_queue *);
	int	 (*each_queue)(void *, d4_registry_on_queue *, void *);
};

extern const struct d4_registry_backend d4_registry_dir;
extern const struct d4_registry_backend d4_registry_redis;

/*
 * Facts as several processes saw them, put together: the earlier first, the
 * later last, the addresses that were used last, the later error.  -1 when
 * memory is short.
 */
int d4_registry_facts_add(struct d4_registry_facts *,
    const struct d4_registry_facts *);

/* The entry of a type (extended "" for the plain one), made when missing; NULL
 * when memory is short. */
struct d4_registry_seen *d4_registry_facts_seen(struct d4_registry_facts *,
    uint8_t type, const char *extended);

/* The address was used: it comes into its place by time. */
void d4_registry_facts_address(struct d4_registry_facts *, const char *,
    uint64_t time);

/* Whether a text is one line without control characters, of at most size - 1
 * bytes. */
bool d4_registry_text_ok(const char *, size_t size);

/* Cuts the next word off a line, and its space; NULL at the end. */
char *d4_registry_word(char **line);

/* Decimal digits alone, at most max; -1 when it is something else or NULL. */
int d4_registry_digits(const char *, uint64_t max, uint64_t *);

/* The next word of a line, which is digits. */
int d4_registry_number(char **line, uint64_t max, uint64_t *);

#endif
