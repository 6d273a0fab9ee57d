/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/admin.h"
#include "d4-admin/authority.h"
#include "d4-admin/secret.h"
#include "d4-admin/table.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/net.h"
#include "lib/uuid.h"

/* A sensor's configuration, see d4-conf(5). */
struct enroll {
	struct admin	*admin;
	uint8_t		 uuid[D4_UUID_LEN];
	struct secret	 key;
	char		 text[D4_UUID_TEXT];
	char		 destination[512];
	uint64_t	 type, snaplen;
	struct d4_registry_registration	registration;
	bool		 approved;
};

/* -- what it will hold ----------------------------------------------------- */

static int
on_name(void *cookie, const char *name)
{
	(void)snprintf(cookie, 256, strchr(name, ':') != NULL ? "[%s]" : "%s",
	    name);
	return 1;
}

/* The first name of the collector's certificate, at its port; stdout, and 1,
 * where that can't be known. */
static int
guess_destination(struct enroll *e)
{
	const char *dir = e->admin->place.conf;
	char source[D4_CONF_TEXT], name[256] = "";
	struct d4_net_addr addr;
	struct d4_cert *cert;
	struct d4_conf *conf;
	const char *why;

	(void)snprintf(e->destination, sizeof(e->destination), "stdout");
	if (*dir == '\0' || !authority_has(dir, "server.pem") ||
	    (conf = d4_conf_open(dir)) == NULL)
		return 1;
	if (d4_conf_text(conf, "source", source, "") == 0 &&
	    d4_net_is_addr(source) &&
	    d4_net_parse(&addr, source, true, &why) == 0 &&
	    addr.kind == D4_NET_TLS &&
	    authority_load(dir, "server.pem", NULL,
	    e->admin->insecure_key, &cert) == 0) {
		if (d4_cert_names(cert, on_name, name) == 1 &&
		    *name != '*' && addr.port != 0)
			(void)snprintf(e->destination,
			    sizeof(e->destination), "%s:%u", name, addr.port);
		d4_cert_free(cert);
	}
	d4_conf_close(conf);
	return strcmp(e->destination, "stdout") == 0;
}

/* A name without a port would be a file's for d4, which nobody means here. */
static int
check_destination(const char *text)
{
	struct d4_net_addr addr;
	const char *why = "is neither an address nor a path";

	if (args_text("--destination", text) != 0)
		return 2;
	if (strlen(text) < 512 && (d4_net_is_addr(text) ?
	    d4_net_parse(&addr, text, false, &why) == 0 :
	    strchr(text, '/') != NULL || strcmp(text, "stdout") == 0))
		return 0;
	d4_log_warnx("--destination: %s: %s (expected HOST:PORT, [V6]:PORT, "
	    "tcp:HOST:PORT, unix:PATH, a path with a slash, or stdout)", text,
	    why);
	return 2;
}

/* The arguments of a new one. */
static int
judge(struct enroll *e, const struct args *args)
{
	const char *type = args_option(args, "type");
	const char *snaplen = args_option(args, "snaplen");
	const char *destination = args_option(args, "destination");

	e->type = 1;
	e->snaplen = 4096;
	if ((type != NULL && args_number("--type", type, 1, UINT8_MAX,
	    &e->type) != 0) || (snaplen != NULL && args_number("--snaplen",
	    snaplen, 1, D4_PAYLOAD_MAX, &e->snaplen) != 0) ||
	    (destination != NULL && check_destination(destination) != 0))
		return 2;
	if (destination != NULL)
		(void)snprintf(e->destination, sizeof(e->destination), "%.511s",
		    destination);
	return 0;
}

static int
prepare(struct enroll *e)
{
	if (*e->destination == '\0' && guess_destination(e) != 0)
		d4_log_warnx("destination: stdout, for the name of the "
		    "collector is not known (--destination HOST:PORT)");
	d4_uuid_new(e->uuid);
	d4_uuid_text(e->text, e->uuid);
	if (secret_make(&e->key) != 0)
		return 1;
	e->registration.key = e->key.text;
	e->registration.keylen = e->key.len;
	return 0;
}

/* -- the directory --------------------------------------------------------- */

static const char *const values[] = {
	"version", "uuid", "key", "type", "snaplen", "source", "destination"
};

static void
value_of(const struct enroll *e, const char *name, char value[1024])
{
	if (strcmp(name, "uuid") == 0)
		(void)snprintf(value, 1024, "%s", e->text);
	else if (strcmp(name, "key") == 0)
		(void)snprintf(value, 1024, "%.128s", e->key.text);
	else if (strcmp(name, "type") == 0)
		(void)snprintf(value, 1024, "%u", (unsigned)e->type);
	else if (strcmp(name, "snaplen") == 0)
		(void)snprintf(value, 1024, "%u", (unsigned)e->snaplen);
	else if (strcmp(name, "source") == 0)
		(void)snprintf(value, 1024, "stdin");
	else if (strcmp(name, "destination") == 0)
		(void)snprintf(value, 1024, "%s", e->destination);
	else
		(void)snprintf(value, 1024, "1");
}

static int
write_values(const struct enroll *e, const char *dir)
{
	char path[D4_CONF_TEXT], value[1024];
	int status = 0;
	size_t i;

	for (i = 0; status == 0 && i < sizeof(values) / sizeof(values[0]);
	    i++) {
		value_of(e, values[i], value);
		(void)strcat(value, "\n");
		status = authority_path(path, dir, values[i]);
		if (status == 0)
			status = secret_write(path, strcmp(values[i],
			    "key") == 0 ? 0600 : 0644, value, strlen(value));
	}
	d4_mac_wipe(value, sizeof(value));
	return status;
}

/* What of the collector's certificates a sensor needs. */
static int
write_certificates(const struct enroll *e, const char *dir)
{
	const char *conf = e->admin->place.conf;
	struct d4_cert *ca = NULL, *client = NULL;
	char path[D4_CONF_TEXT];
	bool signs = *conf != '\0' && authority_has(conf, "rootCA.key");
	int status;

	if (*conf == '\0' || !authority_has(conf, "rootCA.crt"))
		return 0;
	status = authority_load(conf, "rootCA.crt", signs ? "rootCA.key" :
	    NULL, e->admin->insecure_key, &ca);
	if (status == 0)
		status = authority_path(path, dir, "rootCA.crt");
	if (status == 0)
		status = authority_write(path, ca, true, false);
	if (status == 0 && signs) {
		status = authority_client(ca, e->uuid, NULL, &client);
		if (status == 0)
			status = authority_path(path, dir, "client.crt");
		if (status == 0)
			status = authority_write(path, client, true, false);
		if (status == 0)
			status = authority_path(path, dir, "client.key");
		if (status == 0)
			status = authority_write(path, client, false, true);
	}
	d4_cert_free(client);
	d4_cert_free(ca);
	return status;
}

/* Takes away what write_...() made in a directory that was not there. */
static void
discard(const char *dir)
{
	static const char *const names[] = {
		"version", "uuid", "key", "type", "snaplen", "source",
		"destination", "rootCA.crt", "client.crt", "client.key"
	};
	char path[D4_CONF_TEXT];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (authority_path(path, dir, names[i]) == 0)
			(void)unlink(path);
	}
	(void)rmdir(dir);
}

/* -- registration ---------------------------------------------------------- */

static int
enter(const struct enroll *e)
{
	switch (d4_registry_register(e->admin->reg, e->uuid, &e->registration,
	    e->approved)) {
	case -1:
		return admin_fault(e->admin);
	case 1:
		d4_log_warnx("%s: is registered or waits already; nothing was "
		    "changed", e->text);
		return 1;
	}
	return 0;
}

static const struct column columns[] = {
	{ "version", "version", CELL_TEXT },
	{ "uuid", "uuid", CELL_TEXT },
	{ "key", "key", CELL_TEXT },
	{ "type", "type", CELL_TEXT },
	{ "snaplen", "snaplen", CELL_TEXT },
	{ "source", "source", CELL_TEXT },
	{ "destination", "destination", CELL_TEXT },
	{ "rootCA.crt", NULL, CELL_TEXT }	/* people have it below */
};

/* The certificate that the sensor trusts, as text that the caller frees; NULL
 * without one, or with a fault that was said and *status. */
static char *
root_pem(const struct enroll *e, int *status)
{
	const char *conf = e->admin->place.conf;
	struct d4_cert *ca;
	char *pem = NULL;
	size_t len;

	*status = 0;
	if (*conf == '\0' || !authority_has(conf, "rootCA.crt"))
		return NULL;
	*status = authority_load(conf, "rootCA.crt", NULL,
	    e->admin->insecure_key, &ca);
	if (*status == 0 && (pem = d4_cert_pem(ca, false, &len)) == NULL) {
		d4_log_warnx("memory: not enough");
		*status = 1;
	}
	d4_cert_free(ca);
	return pem;
}

static int
print_values(const struct enroll *e)
{
	struct table *t;
	char *pem, value[1024];
	size_t i, n = sizeof(columns) / sizeof(columns[0]) - 1;
	int status;

	pem = root_pem(e, &status);
	t = table_form(columns, n + 1, e->admin->json, e->admin->now);
	for (i = 0; t != NULL && i < n; i++) {
		value_of(e, columns[i].name, value);
		table_text(t, value);
	}
	d4_mac_wipe(value, sizeof(value));
	if (t != NULL)
		table_text(t, pem);
	if (table_end(t) != 0)
		status = 1;
	if (pem != NULL && !e->admin->json) {
		(void)fputs("rootCA.crt\n", stdout);
		(void)fputs(pem, stdout);
		status = d4_log_flush(stdout) == 0 ? status : 1;
	}
	free(pem);
	return status;
}

/* With a directory only the uuid is said, else all of it. */
static int
enroll_new(struct enroll *e, const struct args *args)
{
	const char *dir = args_option(args, "o");
	int status;

	if ((status = judge(e, args)) != 0)
		return status;
	if (admin_open(e->admin, args) == -1)
		return admin_fault(e->admin);
	if ((status = prepare(e)) != 0)
		return status;
	if (dir == NULL) {
		if ((status = enter(e)) != 0)
			return status;
		/* Of what nobody could read nobody can make a sensor. */
		if ((status = print_values(e)) != 0)
			(void)d4_registry_unregister(e->admin->reg, e->uuid);
		return status;
	}
	if (mkdir(dir, 0700) == -1) {
		d4_log_warn("%s", dir);
		return 1;
	}
	status = write_values(e, dir);
	if (status == 0)
		status = write_certificates(e, dir);
	if (status == 0)
		status = enter(e);
	if (status != 0) {
		discard(dir);
		return status;
	}
	(void)puts(e->text);
	return d4_log_flush(stdout);
}

int
sensor_register(struct admin *a, const struct args *args)
{
	bool makes = args_option(args, "new") != NULL;
	bool reads = args_option(args, "stdin") != NULL;
	struct enroll e = { .admin = a,
	    .approved = args_option(args, "pending") == NULL,
	    .registration = { .description = args_option(args, "description"),
	    .mail = args_option(args, "mail"),
	    .third_party = args_option(args, "third-party") } };
	const struct d4_registry_registration *r = &e.registration;
	int status;

	if (makes != (args->n == 0) || (makes && reads) || (!makes &&
	    (args_option(args, "o") != NULL || args_option(args, "type") !=
	    NULL || args_option(args, "snaplen") != NULL ||
	    args_option(args, "destination") != NULL)))
		return args_misuse(args);
	if ((r->description != NULL && args_text("--description",
	    r->description) != 0) || (r->mail != NULL &&
	    args_text("--mail", r->mail) != 0) || (r->third_party != NULL &&
	    args_text("--third-party", r->third_party) != 0))
		return 2;
	if (makes) {
		status = enroll_new(&e, args);
	} else if ((status = args_sensor(args->operand[0], e.uuid)) == 0) {
		d4_uuid_text(e.text, e.uuid);
		if (reads && (status = secret_read(&e.key)) == 0) {
			e.registration.key = e.key.text;
			e.registration.keylen = e.key.len;
		}
		if (status == 0 && admin_open(a, args) == -1)
			status = admin_fault(a);
		if (status == 0)
			status = enter(&e);
	}
	secret_wipe(&e.key);
	return status;
}
