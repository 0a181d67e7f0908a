#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/json_out.h"
#include "store/directory.h"
#include "services/host/host_priv.h"
#include "services/sign/sign_key.h"

/* The demo's people. Their passwords are made at the first start and kept in the store. */
static const struct {
	const char *address, *name, *key;
} people[] = {
	{"alice@" HOST_DEMO_DOMAIN, "Alice", "demo.password.alice"},
	{"bob@" HOST_DEMO_DOMAIN, "Bob", "demo.password.bob"},
};

bool host_demo_account(
	const struct host *h, size_t i, const char **address_r, const char **password_r)
{
	if (!h->config->is_demo || i >= ARRAY_LEN(people) || !h->passwords[i])
		return false;
	*address_r = people[i].address;
	*password_r = h->passwords[i];
	return true;
}

static const char *new_password(struct arena *a)
{
	uint64_t id;
	struct buf b;

	MUST(getrandom(&id, sizeof(id), 0) == sizeof(id));
	buf_init(&b, 64);
	enc_put_id(&b, id);
	char *text = arena_str(a, buf_span(&b));
	buf_fini(&b);
	for (char *p = text; *p; p++)
		*p = (char)span_lower((unsigned char)*p);
	return text;
}

/* The password of one of them: kept, or made now together with the account. */
static FIBER int seed_person(struct host *h, size_t i, struct err *e)
{
	struct span key = span_str(people[i].key), kept;
	struct err why = {0};

	if (directory_setting(h->store, h->arena, key, &kept, &why) == 0) {
		h->passwords[i] = arena_str(h->arena, kept);
		return 0;
	}
	if (why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);

	struct directory_account acc = {
		.address = span_str(people[i].address), .name = span_str(people[i].name)};
	const char *password = new_password(h->arena);

	/* The account may be there when a first start was cut short: then it gets this password. */
	if (directory_account_set(h->store, &acc, span_str(password), true, &why) < 0 &&
		(why.code != ERR_EXISTS ||
			directory_account_set(h->store, &acc, span_str(password), false, &why) < 0))
		return err_copy(e, &why);
	if (directory_setting_set(h->store, key, span_str(password), e) < 0)
		return -1;
	h->passwords[i] = password;
	return 0;
}

FIBER int host_demo_seed(struct host *h, struct err *e)
{
	struct span done;
	struct err why = {0};

	if (!h->config->is_demo)
		return 0;
	/* What its user has changed since stays changed. */
	if (directory_setting(h->store, h->arena, SPAN("demo.seeded"), &done, &why) == 0) {
		for (size_t i = 0; i < ARRAY_LEN(people); i++) {
			if (directory_setting(
				    h->store, h->arena, span_str(people[i].key), &done, NULL) == 0)
				h->passwords[i] = arena_str(h->arena, done);
		}
		return 0;
	}
	if (why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	if (directory_domain_set(
		    h->store, SPAN(HOST_DEMO_DOMAIN), DIRECTORY_DOMAIN_LOCAL, false, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(people); i++) {
		if (seed_person(h, i, e) < 0)
			return err_wrap(e, "making %s", people[i].address);
	}
	if (directory_setting_set(h->store, SPAN("postmaster"), span_str(people[0].address), e) < 0)
		return -1;
	return directory_setting_set(h->store, SPAN("demo.seeded"), SPAN("1"), e);
}

/* Making an RSA key takes longer than a start may. */
FIBER int host_demo_keys(void *host)
{
	struct sign_key_new n = {.domain = SPAN(HOST_DEMO_DOMAIN),
		.selector = SPAN("demo"),
		.has_rsa = true,
		.has_ed25519 = true,
		.state = DKIM_KEYS_ACTIVE};
	struct host *h = host;
	struct dkim_keys_row *rows;
	struct arena *a = arena_new();
	struct err e = {0};
	struct span done;
	size_t count;
	int rc = 0;

	/* What its user has removed since stays removed. */
	if (directory_setting(h->store, a, SPAN("demo.keys"), &done, &e) < 0) {
		rc = e.code == ERR_NOT_FOUND ? 0 : -1;
		if (rc == 0)
			rc = sign_key_make(h->store, h->lane, a, &n, &rows, &count, &e);
		if (rc == 0 || e.code == ERR_EXISTS)
			rc = directory_setting_set(h->store, SPAN("demo.keys"), SPAN("1"), &e);
		if (rc < 0 && e.code != ERR_CANCELLED)
			log_event(&h->log, LOG_WARN, "host.demo.keys", LF_STR("error", e.text));
	}
	arena_free(&a);
	return rc;
}

static void put_demo(struct host *h, struct buf *b, struct arena *a)
{
	const char *address, *password;
	struct host_place place;
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_i64(&j, "pid", getpid());
	json_kv_str(&j, "host", "127.0.0.1");
	json_kv_str(&j, "hostname", h->config->hostname);
	json_kv_str(&j, "domain", h->config->is_demo ? HOST_DEMO_DOMAIN : h->config->hostname);
	json_key(&j, "ports");
	json_open_object(&j);
	for (size_t i = 0; host_place(h, i, &place); i++) {
		/* of a listener with several addresses, the first */
		if (addr_is_ip(place.addr) &&
			(!i || h->bounds[i - 1].listener != h->bounds[i].listener))
			json_kv_u64(&j, place.listener, addr_port(place.addr));
	}
	json_close(&j);
	json_key(&j, "sockets");
	json_open_object(&j);
	for (size_t i = 0; host_place(h, i, &place); i++) {
		if (addr_is_unix(place.addr))
			json_kv_str(&j, place.listener, place.addr->un.sun_path);
	}
	json_close(&j);
	json_kv_str(&j, "control", host_control_path(a, h->data));
	json_key(&j, "accounts");
	json_open_array(&j);
	for (size_t i = 0; host_demo_account(h, i, &address, &password); i++) {
		json_open_object(&j);
		json_kv_str(&j, "address", address);
		json_kv_str(&j, "password", password);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	buf_char(b, '\n');
}

/* A new file and a rename: who finds it finds it whole. */
static int write_file(void *arg, struct err *e)
{
	struct host *h = arg;
	struct arena *a = arena_new();
	struct buf b;
	const char *path = arena_printf(a, "%s/demo.json", h->data);
	const char *fresh = arena_printf(a, "%s/demo.json.new", h->data);
	int rc = -1, fd;

	buf_init(&b, 65536);
	put_demo(h, &b, a);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		err_sys(e, errno, "%s", fresh);
	else if (write(fd, buf_span(&b).ptr, buf_len(&b)) != (ssize_t)buf_len(&b))
		err_sys(e, errno, "writing %s", fresh);
	else if (rename(fresh, path) < 0)
		err_sys(e, errno, "%s", path);
	else
		rc = 0;
	if (fd >= 0)
		close(fd);
	buf_fini(&b);
	arena_free(&a);
	return rc;
}

FIBER int host_demo_write(struct host *h, struct err *e)
{
	return work_run(h->lane, write_file, h, e);
}
