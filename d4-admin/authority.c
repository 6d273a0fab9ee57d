/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4-admin/authority.h"
#include "d4-admin/secret.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/uuid.h"

#define PEM_MAX		65536	/* bytes of a file */

int
authority_path(char path[D4_CONF_TEXT], const char *dir, const char *name)
{
	int n = snprintf(path, D4_CONF_TEXT, "%s/%s", dir, name);

	if (n > 0 && n < D4_CONF_TEXT)
		return 0;
	d4_log_warnx("%s: name too long", dir);
	return 1;
}

bool
authority_has(const char *dir, const char *name)
{
	char path[D4_CONF_TEXT];

	return authority_path(path, dir, name) == 0 && access(path, F_OK) == 0;
}

/* A key that others can read is none. */
static int
judge(const char *path, FILE *file, bool insecure_key)
{
	struct stat st;

	if (fstat(fileno(file), &st) == -1 ||
	    (st.st_mode & (S_IROTH | S_IWOTH)) == 0)
		return 0;
	d4_log_warnx("%s: can be read or changed by others%s%s%s", path,
	    insecure_key ? "" : " (expected chmod o= ",
	    insecure_key ? "" : path,
	    insecure_key ? "" : ", or --insecure-key)");
	return insecure_key ? 0 : 1;
}

/* Adds a file to the text. */
static int
load_text(const char *path, bool secret, bool insecure_key,
    char text[PEM_MAX], size_t *len)
{
	FILE *file;

	if ((file = fopen(path, "re")) == NULL) {
		d4_log_warn("%s", path);
		return 1;
	}
	if (secret && judge(path, file, insecure_key) != 0) {
		(void)fclose(file);
		return 1;
	}
	*len += fread(text + *len, 1, PEM_MAX - *len, file);
	if (ferror(file) || *len == PEM_MAX) {
		d4_log_warnx("%s: not readable, or too long", path);
		(void)fclose(file);
		return 1;
	}
	(void)fclose(file);
	return 0;
}

int
authority_load(const char *dir, const char *name, const char *key,
    bool insecure_key, struct d4_cert **cert)
{
	char path[D4_CONF_TEXT], text[PEM_MAX], why[256];
	size_t len = 0;
	int status;

	*cert = NULL;
	status = authority_path(path, dir, key != NULL ? key : name);
	if (status == 0 && key != NULL)
		status = load_text(path, true, insecure_key, text, &len);
	if (status == 0)
		status = authority_path(path, dir, name);
	if (status == 0)
		status = load_text(path, strcmp(name, "server.pem") == 0,
		    insecure_key, text, &len);
	if (status == 0 && (*cert = d4_cert_parse(text, len, why)) == NULL) {
		d4_log_warnx("%s: %s", path, why);
		status = 1;
	}
	d4_mac_wipe(text, sizeof(text));
	return status;
}

/* Certificate, key or both as one text; NULL when memory is short. */
static char *
join(const struct d4_cert *c, bool cert, bool key, size_t *len)
{
	char *one = NULL, *two = NULL, *both = NULL;
	size_t onelen = 0, twolen = 0;

	if ((cert && (one = d4_cert_pem(c, false, &onelen)) == NULL) ||
	    (key && (two = d4_cert_pem(c, true, &twolen)) == NULL) ||
	    (both = malloc(onelen + twolen + 1)) == NULL) {
		d4_log_warnx("memory: not enough");
	} else {
		if (one != NULL)
			memcpy(both, one, onelen);
		if (two != NULL)
			memcpy(both + onelen, two, twolen);
		*len = onelen + twolen;
	}
	if (two != NULL)
		d4_mac_wipe(two, twolen);
	free(one);
	free(two);
	return both;
}

int
authority_write(const char *path, const struct d4_cert *c, bool cert, bool key)
{
	size_t len;
	char *text;
	int status;

	if ((text = join(c, cert, key, &len)) == NULL)
		return 1;
	status = secret_write(path, key ? 0600 : 0644, text, len);
	d4_mac_wipe(text, len);
	free(text);
	return status;
}

int
authority_renew(const char *path, const struct d4_cert *c, bool key)
{
	char kept[D4_CONF_TEXT + 32], stamp[24] = "";
	time_t now = time(NULL);
	size_t len;
	char *text;
	struct tm tm;
	int status;

	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	(void)snprintf(kept, sizeof(kept), "%s.%s", path, stamp);
	if (link(path, kept) == -1) {
		d4_log_warn("%s", kept);
		return 1;
	}
	if ((text = join(c, true, key, &len)) == NULL) {
		(void)unlink(kept);
		return 1;
	}
	status = secret_replace(path, key ? 0660 : 0664, text, len);
	/* Then it is the one before that is there. */
	if (status != 0)
		(void)unlink(kept);
	d4_mac_wipe(text, len);
	free(text);
	return status;
}

int
authority_client(const struct d4_cert *ca, const uint8_t uuid[D4_UUID_LEN],
    const struct d4_cert *old, struct d4_cert **cert)
{
	char cn[D4_UUID_TEXT], why[256];
	struct d4_cert_spec spec = {
		.kind = D4_CERT_CLIENT, .cn = cn, .days = AUTHORITY_DAYS,
		.ca = ca, .key = old
	};

	d4_uuid_text(cn, uuid);
	if ((*cert = d4_cert_new(&spec, why)) != NULL)
		return 0;
	d4_log_warnx("certificate of %s: %s", cn, why);
	return 1;
}
