/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-admin/admin.h"
#include "d4-admin/table.h"
#include "lib/cidr.h"
#include "lib/log.h"
#include "lib/uuid.h"

static const struct column columns[] = {
	{ "kind", "KIND", CELL_TEXT },
	{ "block", "BLOCKED", CELL_TEXT }
};

struct listing {
	struct table	*table;
	const char	*kind;
};

static int
on_member(void *cookie, const char *member)
{
	const struct listing *l = cookie;
	char text[D4_UUID_TEXT];
	uint8_t uuid[D4_UUID_LEN];

	table_text(l->table, l->kind);
	if (d4_uuid_parse(uuid, member) == 0) {
		d4_uuid_text(text, uuid);
		member = text;
	}
	table_text(l->table, member);
	return 0;
}

int
block_list(struct admin *a, const struct args *args)
{
	static const struct {
		enum d4_registry_set	 set;
		const char		*kind;
	} sets[] = {
		{ D4_SET_BLOCKED_ADDRESSES, "address" },
		{ D4_SET_BLOCKED_UUIDS, "uuid" },
		{ D4_SET_BLOCKED_BY_UUID, "by-uuid" }
	};
	struct listing l;
	int status = 0;
	size_t i;

	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if ((l.table = table_new(columns, sizeof(columns) /
	    sizeof(columns[0]), a->json, a->now)) == NULL)
		return table_end(NULL);
	for (i = 0; status == 0 && i < 3; i++) {
		l.kind = sets[i].kind;
		if (each_member(a, sets[i].set, on_member, &l) != 0)
			status = admin_fault(a);
	}
	return table_end(l.table) == 0 ? status : 1;
}

/* What people mean by a network with bits behind its prefix. */
static bool
is_network_of(const char *text, char network[D4_CIDR_TEXT])
{
	char address[D4_CIDR_TEXT];
	size_t len = strcspn(text, "/");
	struct d4_cidr net;
	const char *why;
	unsigned bits, i;
	uint64_t n;

	if (text[len] != '/' || len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	n = strspn(text + len + 1, "0123456789");
	if (d4_cidr_parse(&net, address, &why) == -1 || n == 0 || n > 3 ||
	    text[len + 1 + n] != '\0')
		return false;
	for (bits = 0, i = 0; i < n; i++)
		bits = bits * 10 + (unsigned)(text[len + 1 + i] - '0');
	if (bits > net.bits)
		return false;
	for (i = bits; i < net.bits; i++)
		net.first[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	net.bits = (uint8_t)bits;
	d4_cidr_text(network, &net);
	return true;
}

/* Which set it belongs to, or says that it is none of all. */
static int
find_set(const char *text, bool by_uuid, enum d4_registry_set *set)
{
	uint8_t uuid[D4_UUID_LEN];
	char network[D4_CIDR_TEXT];
	struct d4_cidr net;
	const char *why;

	if (by_uuid) {
		*set = D4_SET_BLOCKED_BY_UUID;
		return args_uuid(text, uuid);
	}
	*set = D4_SET_BLOCKED_UUIDS;
	if (d4_uuid_parse(uuid, text) == 0)
		return 0;
	*set = D4_SET_BLOCKED_ADDRESSES;
	if (d4_cidr_parse(&net, text, &why) == 0)
		return 0;
	if (is_network_of(text, network))
		d4_log_warnx("%s: %s (expected %s)", text, why, network);
	else
		d4_log_warnx("%s: nothing to block (expected an address, a "
		    "network like 192.0.2.0/24, or a uuid)", text);
	return 2;
}

static int
change(struct admin *a, const struct args *args, bool adds)
{
	bool by_uuid = args_option(args, "by-uuid") != NULL;
	enum d4_registry_set set;
	int r, status = 0;
	size_t i;

	for (i = 0; i < args->n; i++) {
		if (find_set(args->operand[i], by_uuid, &set) != 0)
			return 2;
	}
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	for (i = 0; i < args->n; i++) {
		(void)find_set(args->operand[i], by_uuid, &set);
		r = (adds ? d4_registry_add : d4_registry_remove)(a->reg, set,
		    args->operand[i]);
		if (r == -1)
			return admin_fault(a);
		if (r == 1 && adds)
			d4_log_info(1, "%s: was blocked", args->operand[i]);
		if (r == 1 && !adds) {
			d4_log_warnx("%s: is not blocked", args->operand[i]);
			status = 1;
		}
	}
	return status;
}

int
block_add(struct admin *a, const struct args *args)
{
	return change(a, args, true);
}

int
block_remove(struct admin *a, const struct args *args)
{
	return change(a, args, false);
}
