/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/admin.h"
#include "d4-admin/authority.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define CA_DAYS		3650
#define CA_NAME		"D4 certificate authority"
#define NAMES_MAX	100

/* Where the authority is: named, else with the configuration, else here. */
static const char *
ca_dir(const struct admin *a, const struct args *args, const char *option)
{
	const char *dir = args_option(args, option);

	if (dir != NULL)
		return dir;
	return *a->place.conf != '\0' ? a->place.conf : ".";
}

static struct d4_cert *
make(const struct d4_cert_spec *spec)
{
	struct d4_cert *cert;
	char why[256];

	if ((cert = d4_cert_new(spec, why)) == NULL)
		d4_log_warnx("certificate of %s: %s", spec->cn, why);
	return cert;
}

/* -- init ------------------------------------------------------------------ */

struct file {
	const char	*name;
	bool		 server, cert, key;
};

static const struct file files[] = {
	{ "rootCA.key", false, false, true },
	{ "rootCA.crt", false, true, false },
	{ "clientCA.crt", false, true, false },
	{ "server.pem", true, true, true }
};

#define NFILES	(sizeof(files) / sizeof(files[0]))

/* All of them or none. */
static int
write_files(const char *dir, const struct d4_cert *ca,
    const struct d4_cert *server)
{
	char path[D4_CONF_TEXT];
	int status = 0;
	size_t i;

	for (i = 0; i < NFILES; i++) {
		if (!authority_has(dir, files[i].name))
			continue;
		d4_log_warnx("%s/%s: is there already (tls renew makes a new "
		    "certificate)", dir, files[i].name);
		return 1;
	}
	for (i = 0; status == 0 && i < NFILES; i++) {
		status = authority_path(path, dir, files[i].name);
		if (status == 0)
			status = authority_write(path, files[i].server ?
			    server : ca, files[i].cert, files[i].key);
	}
	if (status == 0)
		return 0;
	/* The one that failed is not ours, those before it are. */
	for (i--; i-- > 0; ) {
		if (authority_path(path, dir, files[i].name) == 0)
			(void)unlink(path);
	}
	return status;
}

static int
init(const char *dir, const char *const *names, size_t n)
{
	struct d4_cert_spec spec = {
		.kind = D4_CERT_CA, .cn = CA_NAME, .days = CA_DAYS
	};
	struct d4_cert *ca, *server = NULL;
	char cn[D4_CERT_NAME];
	int status = 1;

	if ((ca = make(&spec)) != NULL) {
		spec.kind = D4_CERT_SERVER;
		(void)snprintf(cn, sizeof(cn), "%s", strlen(names[0]) <
		    sizeof(cn) ? names[0] : "D4 collector");
		spec.cn = cn;
		spec.days = AUTHORITY_DAYS;
		spec.names = names;
		spec.nnames = n;
		spec.ca = ca;
		server = make(&spec);
	}
	if (server != NULL)
		status = write_files(dir, ca, server);
	d4_cert_free(server);
	d4_cert_free(ca);
	return status;
}

int
tls_init(struct admin *a, const struct args *args)
{
	const char *dir = ca_dir(a, args, "o"), *names[NAMES_MAX];
	char host[256] = "";
	size_t i, n = 0;

	if (args->n > NAMES_MAX)
		return args_misuse(args);
	for (i = 0; i < args->n; i++) {
		names[n++] = args->operand[i];
		if (d4_cert_name_ok(args->operand[i]))
			continue;
		d4_log_warnx("%s: not a name for a certificate (expected a "
		    "host name or an address)", args->operand[i]);
		return 2;
	}
	if (n == 0) {
		if (gethostname(host, sizeof(host) - 1) == 0 &&
		    d4_cert_name_ok(host))
			names[n++] = host;
		names[n++] = "localhost";
	}
	if (mkdir(dir, 0750) == -1 && errno != EEXIST) {
		d4_log_warn("%s", dir);
		return 1;
	}
	return init(dir, names, n);
}

/* -- client ---------------------------------------------------------------- */

/* Where a sensor's files are: in -o as d4 reads them, else here by its uuid. */
static int
client_paths(const struct args *args, const uint8_t *uuid,
    char crt[D4_CONF_TEXT], char key[D4_CONF_TEXT])
{
	const char *dir = args_option(args, "o");
	char name[D4_UUID_TEXT], crt_name[64], key_name[64];

	d4_uuid_text(name, uuid);
	if (dir != NULL) {
		if (mkdir(dir, 0700) == -1 && errno != EEXIST) {
			d4_log_warn("%s", dir);
			return 1;
		}
		(void)snprintf(name, sizeof(name), "client");
	}
	(void)snprintf(crt_name, sizeof(crt_name), "%s.crt", name);
	(void)snprintf(key_name, sizeof(key_name), "%s.key", name);
	return authority_path(crt, dir != NULL ? dir : ".", crt_name) != 0 ||
	    authority_path(key, dir != NULL ? dir : ".", key_name) != 0;
}

int
tls_client(struct admin *a, const struct args *args)
{
	char crt[D4_CONF_TEXT], key[D4_CONF_TEXT];
	struct d4_cert *ca, *client = NULL;
	uint8_t uuid[D4_UUID_LEN];
	int status;

	if (args_sensor(args->operand[0], uuid) != 0)
		return 2;
	status = authority_load(ca_dir(a, args, "ca"), "rootCA.crt",
	    "rootCA.key", a->insecure_key, &ca);
	if (status == 0)
		status = client_paths(args, uuid, crt, key);
	if (status == 0)
		status = authority_client(ca, uuid, NULL, &client);
	if (status == 0)
		status = authority_write(key, client, false, true);
	if (status == 0) {
		status = authority_write(crt, client, true, false);
		if (status != 0)
			(void)unlink(key);
	}
	d4_cert_free(client);
	d4_cert_free(ca);
	return status;
}

/* -- renew ----------------------------------------------------------------- */

struct names {
	char		*list[NAMES_MAX];
	size_t		 n;
};

static int
on_name(void *cookie, const char *name)
{
	struct names *names = cookie;

	if (names->n == NAMES_MAX ||
	    (names->list[names->n] = strdup(name)) == NULL)
		return 1;
	names->n++;
	return 0;
}

static int
renew_server(const struct admin *a, const char *dir,
    const struct d4_cert *ca)
{
	struct d4_cert *old, *cert = NULL;
	char cn[D4_CERT_NAME], path[D4_CONF_TEXT];
	struct names names = { .n = 0 };
	struct d4_cert_spec spec = {
		.kind = D4_CERT_SERVER, .cn = cn, .days = AUTHORITY_DAYS,
		.ca = ca
	};
	int status;

	if ((status = authority_load(dir, "server.pem", NULL,
	    a->insecure_key, &old)) != 0)
		return status;
	d4_cert_cn(old, cn);
	if (d4_cert_names(old, on_name, &names) == 0) {
		spec.key = old;
		spec.names = (const char *const *)names.list;
		spec.nnames = names.n;
		cert = make(&spec);
	}
	status = cert == NULL || authority_path(path, dir,
	    "server.pem") != 0 || authority_renew(path, cert, true) != 0;
	while (names.n > 0)
		free(names.list[--names.n]);
	d4_cert_free(cert);
	d4_cert_free(old);
	return status;
}

static bool
is_of(const struct d4_cert *cert, const uint8_t *uuid)
{
	uint8_t other[D4_UUID_LEN];
	char cn[D4_CERT_NAME];

	d4_cert_cn(cert, cn);
	return d4_uuid_parse(other, cn) == 0 &&
	    memcmp(other, uuid, sizeof(other)) == 0;
}

static int
renew_client(const struct admin *a, const struct args *args,
    const uint8_t *uuid, const struct d4_cert *ca)
{
	char crt[D4_CONF_TEXT], key[D4_CONF_TEXT];
	struct d4_cert *old = NULL, *cert = NULL;
	int status;

	status = client_paths(args, uuid, crt, key);
	if (status == 0) {
		*strrchr(crt, '/') = *strrchr(key, '/') = '\0';
		status = authority_load(crt, strchr(crt, '\0') + 1,
		    strchr(key, '\0') + 1, a->insecure_key, &old);
		*strchr(crt, '\0') = '/';
	}
	if (status == 0 && !is_of(old, uuid)) {
		d4_log_warnx("%s: is of another than %s", crt,
		    args->operand[0]);
		status = 1;
	}
	if (status == 0)
		status = authority_client(ca, uuid, old, &cert);
	if (status == 0)
		status = authority_renew(crt, cert, false);
	d4_cert_free(cert);
	d4_cert_free(old);
	return status;
}

int
tls_renew(struct admin *a, const struct args *args)
{
	const char *dir = ca_dir(a, args, "ca");
	uint8_t uuid[D4_UUID_LEN];
	struct d4_cert *ca;
	int status;

	if (args->n == 1 && args_sensor(args->operand[0], uuid) != 0)
		return 2;
	if (authority_load(dir, "rootCA.crt", "rootCA.key", a->insecure_key,
	    &ca) != 0)
		return 1;
	if (args->n == 1)
		status = renew_client(a, args, uuid, ca);
	else
		status = renew_server(a, ca_dir(a, args, "o"), ca);
	d4_cert_free(ca);
	return status;
}
