#include "services/sign/sign.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/must.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_address.h"
#include "proto/trust/dkim_sign.h"
#include "store/dkim_keys.h"
#include "services/router/router.h"

#define SIGN_THREADS 2

/* The keys of one domain: shared by the signer's map and the jobs that use them. */
struct sign_keys {
	_Atomic int refs;
	size_t count;
	struct {
		char *domain, *selector; /* owned */
		struct dkim_pkey *key;   /* owned */
		int64_t created_ns;
	} keys[SIGN_KEYS_MAX];
};

struct signer {
	struct signer_opts opts;
	struct work_lane *lane;
	pthread_mutex_t lock; /* of what follows; never held across a yield */
	uint64_t generation;  /* of the store, that all below was read at */
	bool is_any_known, is_any;
	struct hash_map domains; /* struct sign_keys, each with a reference */
	_Atomic uint64_t messages, signatures, unsigned_messages, failures;
};

/* ---- keys ---- */

static void keys_unref(struct sign_keys **kp)
{
	struct sign_keys *k = *kp;
	int refs;

	*kp = NULL;
	if (!k)
		return;
	refs = atomic_fetch_sub(&k->refs, 1);
	MUST(refs > 0);
	if (refs > 1)
		return;
	for (size_t i = 0; i < k->count; i++) {
		free(k->keys[i].domain);
		free(k->keys[i].selector);
		dkim_pkey_free(&k->keys[i].key);
	}
	free(k);
}

static void forget_all(struct signer *s)
{
	struct span name;
	void *keys;

	for (size_t at = 0; hash_map_next(&s->domains, &at, &name, &keys);) {
		struct sign_keys *k = keys;

		hash_map_remove(&s->domains, name);
		keys_unref(&k);
	}
	s->is_any_known = false;
}

/* With the lock: what an older state of the store said is forgotten. */
static void check_generation(struct signer *s, uint64_t now)
{
	if (s->generation == now)
		return;
	forget_all(s);
	s->generation = now;
}

/* Of each algorithm the newest key. */
static void keep_key(struct sign_keys *k, const struct dkim_keys_row *row, struct dkim_pkey *key)
{
	size_t at = 0;

	while (at < k->count && dkim_pkey_algorithm(k->keys[at].key) != dkim_pkey_algorithm(key))
		at++;
	if (at == SIGN_KEYS_MAX || (at < k->count && k->keys[at].created_ns >= row->created_ns)) {
		dkim_pkey_free(&key);
		return;
	}
	if (at < k->count) {
		free(k->keys[at].domain);
		free(k->keys[at].selector);
		dkim_pkey_free(&k->keys[at].key);
	} else {
		k->count++;
	}
	k->keys[at].domain = mem_dup(row->domain.ptr, row->domain.len);
	k->keys[at].selector = mem_dup(row->selector.ptr, row->selector.len);
	k->keys[at].key = key;
	k->keys[at].created_ns = row->created_ns;
}

struct parse_work {
	const struct dkim_keys_row *rows;
	size_t count;
	struct sign_keys *keys;
};

static int parse_keys(void *arg, struct err *e)
{
	struct parse_work *w = arg;

	for (size_t i = 0; i < w->count; i++) {
		struct dkim_pkey *key = dkim_pkey_read(w->rows[i].pem, e);

		if (!key)
			return err_wrap(e, "the key \"" SPAN_FMT "\" of " SPAN_FMT,
				SPAN_ARG(w->rows[i].selector), SPAN_ARG(w->rows[i].domain));
		keep_key(w->keys, &w->rows[i], key);
	}
	return 0;
}

static FIBER int read_keys(
	struct signer *s, struct span domain, struct sign_keys **keys_r, struct err *e)
{
	struct arena *a = arena_new();
	struct parse_work w = {.keys = NEW(struct sign_keys)};
	struct dkim_keys_row *rows = NULL;
	int rc = dkim_keys_for(s->opts.store, a, domain, &rows, &w.count, e);

	w.keys->refs = 1;
	w.rows = rows;
	if (rc == 0 && w.count)
		rc = work_run(s->lane, parse_keys, &w, e);
	if (rc < 0)
		keys_unref(&w.keys);
	*keys_r = w.keys;
	arena_free(&a); /* wipes what was read */
	return rc;
}

/* A reference to the keys of a domain, which may be none. `domain` is a key of the router's. */
static FIBER int find_keys(
	struct signer *s, struct span domain, struct sign_keys **keys_r, struct err *e)
{
	uint64_t generation = store_directory_generation(s->opts.store);
	struct sign_keys *k;

	pthread_mutex_lock(&s->lock);
	check_generation(s, generation);
	k = hash_map_get(&s->domains, domain);
	if (k)
		atomic_fetch_add(&k->refs, 1);
	pthread_mutex_unlock(&s->lock);
	*keys_r = k;
	if (k)
		return 0;
	if (read_keys(s, domain, &k, e) < 0)
		return -1;
	*keys_r = k;
	pthread_mutex_lock(&s->lock);
	/* read before a change: good for this message, not for the next */
	if (s->generation == generation &&
		store_directory_generation(s->opts.store) == generation) {
		struct sign_keys *was;

		if (hash_map_count(&s->domains) >= SIGN_DOMAINS_MAX)
			forget_all(s);
		atomic_fetch_add(&k->refs, 1);
		was = hash_map_set(&s->domains, domain, k);
		keys_unref(&was);
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}

FIBER int signer_is_needed(struct signer *s, bool *is_needed_r, struct err *e)
{
	uint64_t generation = store_directory_generation(s->opts.store);
	bool is_known;

	pthread_mutex_lock(&s->lock);
	check_generation(s, generation);
	is_known = s->is_any_known;
	*is_needed_r = s->is_any;
	pthread_mutex_unlock(&s->lock);
	if (is_known)
		return 0;
	if (dkim_keys_any(s->opts.store, is_needed_r, e) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	if (s->generation == generation) {
		s->is_any = *is_needed_r;
		s->is_any_known = store_directory_generation(s->opts.store) == generation;
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}

FIBER int signer_has(struct signer *s, struct span domain, bool *has_r, struct err *e)
{
	struct arena *a = arena_new();
	struct span key = router_domain_key(a, domain);
	struct sign_keys *keys = NULL;
	int rc = 0;

	*has_r = false;
	if (key.len)
		rc = find_keys(s, key, &keys, e);
	if (keys)
		*has_r = keys->count > 0;
	keys_unref(&keys);
	arena_free(&a);
	return rc;
}

/* ---- life ---- */

struct signer *signer_new(const struct signer_opts *opts)
{
	struct signer *s = NEW(struct signer);
	struct hash_key key;

	MUST(getrandom(&key, sizeof(key), 0) == sizeof(key));
	s->opts = *opts;
	s->lane = work_lane_new(
		"sign", opts->threads ? opts->threads : SIGN_THREADS, SIGN_WAITING_MAX);
	pthread_mutex_init(&s->lock, NULL);
	hash_map_init(&s->domains, key);
	return s;
}

void signer_free(struct signer **sp)
{
	struct signer *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	work_lane_free(&s->lane);
	forget_all(s);
	hash_map_fini(&s->domains);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void signer_stats(const struct signer *s, struct sign_stats *stats_r)
{
	*stats_r = (struct sign_stats){.messages = s->messages,
		.signatures = s->signatures,
		.unsigned_messages = s->unsigned_messages,
		.failures = s->failures};
}

/* ---- messages ---- */

struct sign_job {
	struct signer *signer;
	bool is_ended;
	struct dkim_sign_settings settings;
	struct dkim_message message;
};

static void job_close(void *arg)
{
	struct sign_job *job = arg;

	dkim_message_fini(&job->message);
}

struct sign_job *sign_job_new(struct signer *signer, struct arena *a)
{
	struct sign_job *job = ARENA_NEW(a, struct sign_job);

	job->signer = signer;
	job->settings = (struct dkim_sign_settings){.dialect = &dkim_rfc6376,
		.header = DKIM_RELAXED,
		.body = DKIM_RELAXED,
		.lifetime_sec = DKIM_LIFETIME_SEC};
	if (signer) {
		dkim_message_init(&job->message, dkim_sign_wants, &job->settings);
		arena_defer(a, job_close, job);
	}
	return job;
}

void sign_feed(struct sign_job *job, struct span octets)
{
	if (job->signer)
		dkim_message_feed(&job->message, octets);
}

struct sign_work {
	struct sign_job *job;
	const struct dkim_message *message;
	const struct sign_keys *keys;
	struct buf *fields;
};

static int sign_with(void *arg, struct err *e)
{
	struct sign_work *w = arg;
	struct dkim_sign_key keys[SIGN_KEYS_MAX];

	for (size_t i = 0; i < w->keys->count; i++)
		keys[i] = (struct dkim_sign_key){span_str(w->keys->keys[i].domain),
			span_str(w->keys->keys[i].selector), w->keys->keys[i].key};
	return dkim_sign(w->message, &w->job->settings, keys, w->keys->count, w->fields, e);
}

static FIBER int sign_all(struct sign_job *job, const struct dkim_message *message,
	const struct sign_keys *keys, struct buf *fields, struct err *e)
{
	struct signer *s = job->signer;
	struct sign_work w = {.job = job, .message = message, .keys = keys, .fields = fields};
	size_t before = buf_len(fields);

	job->settings.now_sec = loop_wall_ns() / CLOCK_SEC;
	if (work_run(s->lane, sign_with, &w, e) < 0) {
		buf_truncate(fields, before);
		return -1;
	}
	s->messages++;
	s->signatures += keys->count;
	return 0;
}

static FIBER int sign_for(struct sign_job *job, const struct dkim_message *message, struct arena *a,
	struct span domain, struct buf *fields, struct err *e)
{
	struct span key = router_domain_key(a, domain);
	struct sign_keys *keys = NULL;
	int rc = 0;

	if (key.len)
		rc = find_keys(job->signer, key, &keys, e);
	if (rc == 0 && keys && keys->count)
		rc = sign_all(job, message, keys, fields, e);
	else if (rc == 0)
		job->signer->unsigned_messages++;
	keys_unref(&keys);
	return rc;
}

FIBER int sign_front(struct sign_job *job, struct span front, struct span domain,
	struct buf *fields, struct err *e)
{
	struct signer *s = job->signer;
	struct dkim_message with;
	struct err why = {0};
	struct arena *a;
	int rc;

	if (!s)
		return 0;
	if (!job->is_ended)
		dkim_message_end(&job->message);
	job->is_ended = true;
	a = arena_new();
	if (front.len)
		dkim_message_with_front(&job->message, a, front, &with);
	rc = sign_for(job, front.len ? &with : &job->message, a, domain, fields, &why);
	arena_free(&a);
	if (rc == 0)
		return 0;
	s->failures++;
	if (!why.smtp)
		err_smtp(&why, 451, 4, 3, 0);
	log_event(s->opts.log, LOG_WARN, "sign.failed", LF("domain", domain),
		LF_STR("reason", why.text));
	return err_copy(e, &why);
}

FIBER int sign_end(struct sign_job *job, struct span domain, struct buf *fields, struct err *e)
{
	return sign_front(job, SPAN_NONE, domain, fields, e);
}

FIBER int sign_bytes(struct signer *signer, struct span domain, struct span message,
	struct buf *fields, struct err *e)
{
	struct arena *a;
	struct sign_job *job;
	int rc;

	if (!signer)
		return 0;
	a = arena_new();
	job = sign_job_new(signer, a);
	sign_feed(job, message);
	rc = sign_end(job, domain, fields, e);
	arena_free(&a);
	return rc;
}

struct span sign_from_domain(struct arena *a, struct span header)
{
	struct mime_address_list list;
	struct span value;

	if (!mail_header_find(header, SPAN("From"), &value))
		return SPAN_NONE;
	mime_address_parse(a, value, MIME_ADDRESSES_MAX, &list);
	for (size_t i = 0; i < list.count; i++) {
		if (list.items[i].kind == MIME_MAILBOX && list.items[i].domain.len)
			return arena_span(a, list.items[i].domain);
	}
	return SPAN_NONE;
}
