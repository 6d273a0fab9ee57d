/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <string.h>

#include "d4-admin/verbs.h"
#include "lib/log.h"

#define ANY	SIZE_MAX

static const struct verb verbs[] = {
	{ "sensor", "list", sensor_list, NEED_REGISTRY, 0, 0,
	    "connected pending",
	    "[--connected | --pending]", "all sensors" },
	{ "sensor", "show", sensor_show, NEED_REGISTRY, 1, 1, "",
	    "uuid", "all that is known of one" },
	{ "sensor", "files", sensor_files, NEED_WHERE, 1, 1, "",
	    "uuid", "its files and bytes in the store, by type" },
	{ "sensor", "register", sensor_register, NEED_CHANGES, 0, 1,
	    "new o= type= snaplen= destination= stdin pending description= "
	    "mail= third-party=",
	    "{--new [-o directory] [--type number] [--snaplen bytes] "
	    "[--destination address] | uuid [--stdin]} [--pending] "
	    "[--description text] [--mail text] [--third-party text]",
	    "let a sensor send; --new makes its uuid, key, configuration" },
	{ "sensor", "approve", sensor_approve, NEED_CHANGES, 1, ANY, "",
	    "uuid ...", "register those that wait, or any others" },
	{ "sensor", "reject", sensor_reject, NEED_CONTENTS, 1, ANY, "",
	    "uuid ...", "refuse those that wait" },
	{ "sensor", "remove", sensor_remove, NEED_CONTENTS, 1, ANY, "",
	    "uuid ...", "take the registration and what is set away" },
	{ "sensor", "key", sensor_key, NEED_CONTENTS, 1, 1,
	    "show stdin generate unset",
	    "uuid {--show | --stdin | --generate [--show] | --unset}",
	    "its own key" },
	{ "sensor", "describe", sensor_describe, NEED_CONTENTS, 1, 2,
	    "mail= third-party=",
	    "uuid [text] [--mail text] [--third-party text]",
	    "words for people; an empty one unsets" },
	{ "sensor", "limit", sensor_limit, NEED_CONTENTS, 2, 2, "",
	    "uuid {entries | none}", "entries of its stream in Redis" },
	{ "sensor", "age", sensor_age, NEED_CONTENTS, 2, 2, "",
	    "uuid {seconds | none}", "how old its timestamps may be" },
	{ "sensor", "monotonic", sensor_monotonic, NEED_CONTENTS, 2, 2, "",
	    "uuid {yes | no}", "whether they must not go backwards" },
	{ "sensor", "monitor", sensor_monitor, NEED_CONTENTS, 1, 2, "",
	    "uuid [seconds | none]", "how long it may be silent (3600)" },
	{ "sensor", "check", sensor_check, NEED_REGISTRY, 0, 0, "nagios",
	    "[--nagios]", "exit 1 with those silent for longer" },
	{ "sensor", "kick", sensor_kick, NEED_CONTENTS, 1, ANY, "",
	    "uuid ...", "cut its connections, refuse it for 30 s" },
	{ "sensor", "block", sensor_block, NEED_CHANGES, 1, ANY, "",
	    "uuid ...", "refuse it" },
	{ "sensor", "unblock", sensor_unblock, NEED_CONTENTS, 1, ANY, "",
	    "uuid ...", "accept it again" },
	{ "block", "list", block_list, NEED_REGISTRY, 0, 0, "",
	    "", "blocked addresses, networks and sensors" },
	{ "block", "add", block_add, NEED_CHANGES, 1, ANY, "by-uuid",
	    "[--by-uuid] {address | network | uuid} ...",
	    "refuse; --by-uuid: every address that the sensor uses" },
	{ "block", "remove", block_remove, NEED_CONTENTS, 1, ANY, "by-uuid",
	    "[--by-uuid] {address | network | uuid} ...", "accept again" },
	{ "type", "list", type_list, NEED_REGISTRY, 0, 0, "",
	    "", "accepted types" },
	{ "type", "add", type_add, NEED_CHANGES, 1, ANY, "",
	    "{number | name} ...", "accept" },
	{ "type", "remove", type_remove, NEED_CHANGES, 1, ANY, "",
	    "{number | name} ...", "accept no more" },
	{ "queue", "list", queue_list, NEED_REGISTRY, 0, 0, "",
	    "", "analyzer queues" },
	{ "queue", "add", queue_add, NEED_CHANGES, 1, ANY,
	    "uuid= limit= description= group",
	    "[--uuid uuid] [--limit items] [--description text] [--group] "
	    "{number | name} [sensor ...]",
	    "make one of this type, of these sensors only; prints its uuid" },
	{ "queue", "remove", queue_remove, NEED_CONTENTS, 1, ANY, "",
	    "queue ...", "remove it with its items" },
	{ "queue", "show", queue_show, NEED_REGISTRY, 1, 1, "",
	    "queue", "all that is known of one" },
	{ "queue", "limit", queue_limit, NEED_CONTENTS, 2, 2, "",
	    "queue items", "how many items it holds" },
	{ "queue", "describe", queue_describe, NEED_CONTENTS, 2, 2, "",
	    "queue text", "words for people" },
	{ "queue", "flush", queue_flush, NEED_REGISTRY, 1, ANY, "",
	    "queue ...", "drop all items that wait" },
	{ "queue", "peek", queue_peek, NEED_REGISTRY, 1, 1, "n= width=",
	    "[-n items] [--width bytes] queue", "its newest items (10)" },
	{ "queue", "members", queue_members, NEED_CONTENTS, 1, ANY, "",
	    "queue [{add | remove} sensor ...]", "the sensors it is for" },
	{ "stats", "today", stats_today, NEED_REGISTRY, 0, 0, "",
	    "", "records and bytes by sensor and type" },
	{ "stats", "day", stats_day, NEED_REGISTRY, 1, 1, "",
	    "date", "the same of another day, UTC" },
	{ "stats", "sensor", stats_sensor, NEED_REGISTRY, 1, 1, "",
	    "uuid", "of one sensor, by day and type" },
	{ "stats", "type", stats_type, NEED_REGISTRY, 1, 1, "",
	    "number", "of one type, by day and sensor" },
	{ "stats", "top", stats_top, NEED_REGISTRY, 0, 0, "by= n= day=",
	    "[--by {uuid | address | type}] [--day date] [-n rows]",
	    "who sent most today" },
	{ "stats", "forget", stats_forget, NEED_CONTENTS, 1, ANY, "",
	    "date ...", "remove the counts of days that are over" },
	{ "mode", "show", mode_show, NEED_REGISTRY, 0, 0, "",
	    "", "who is admitted" },
	{ "mode", "set", mode_set, NEED_CHANGES, 1, 1, "",
	    "{registration | shared-secret | none}",
	    "change that; none: as the configuration has it" },
	{ "tls", "init", tls_init, NEED_NOTHING, 0, ANY, "o=",
	    "[-o directory] [name ...]",
	    "make a certificate authority and a server certificate" },
	{ "tls", "client", tls_client, NEED_NOTHING, 1, 1, "ca= o=",
	    "[--ca directory] [-o directory] uuid",
	    "make a sensor's certificate" },
	{ "tls", "renew", tls_renew, NEED_NOTHING, 0, 1, "ca= o=",
	    "[--ca directory] [-o directory] [uuid]",
	    "make the server's or a sensor's anew, with the same key" },
	{ "check", "", check_all, NEED_REGISTRY, 0, 0, "fix",
	    "[--fix]", "whether store, registry and queues are in order" },
	{ "export", "", export_all, NEED_REGISTRY, 0, 0, "o= no-keys",
	    "[--no-keys] [-o file]", "all of the registry, JSON lines" },
	{ "import", "", import_all, NEED_CHANGES, 0, 1, "n add",
	    "[-n] [--add] [file]", "take in what export wrote; -n: check" },
	{ "watch", "", watch_all, NEED_REGISTRY, 0, 0, "n= interval=",
	    "[-n times] [--interval seconds]",
	    "connected sensors and their rates; q quits" }
};

#define NVERBS	(sizeof(verbs) / sizeof(verbs[0]))

/* The names of the object's verbs, or with NULL of all objects. */
static void
choices(char *text, size_t size, const char *object)
{
	const char *name, *before = NULL;
	size_t i, len = 0;

	*text = '\0';
	for (i = 0; i < NVERBS && len < size; i++) {
		name = object == NULL ? verbs[i].object : verbs[i].name;
		if ((object != NULL && strcmp(verbs[i].object, object) != 0) ||
		    (before != NULL && strcmp(name, before) == 0))
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s",
		    len > 0 ? ", " : "", name);
		before = name;
	}
}

const struct verb *
verbs_find(char *argv[], size_t argc, size_t *used)
{
	const char *object = argc > 0 ? argv[0] : "";
	bool known = false;
	char text[512];
	size_t i;

	for (i = 0; i < NVERBS; i++) {
		if (strcmp(verbs[i].object, object) != 0)
			continue;
		known = true;
		*used = *verbs[i].name == '\0' ? 1 : 2;
		if (*used == 1 ||
		    (argc > 1 && strcmp(verbs[i].name, argv[1]) == 0))
			return &verbs[i];
	}
	choices(text, sizeof(text), known ? object : NULL);
	if (argc == 0)
		d4_log_warnx("no object (expected %s)", text);
	else if (!known)
		d4_log_warnx("%s: no such object (expected %s)", object, text);
	else if (argc == 1)
		d4_log_warnx("%s: no verb (expected %s)", object, text);
	else
		d4_log_warnx("%s %s: no such verb (expected %s)", object,
		    argv[1], text);
	return NULL;
}

void
verbs_print(FILE *out)
{
	const struct verb *v;
	size_t i;

	for (i = 0; i < NVERBS; i++) {
		v = &verbs[i];
		fprintf(out, "  %s%s%s%s%s\n      %s\n", v->object,
		    *v->name != '\0' ? " " : "", v->name,
		    *v->usage != '\0' ? " " : "", v->usage, v->help);
	}
}
