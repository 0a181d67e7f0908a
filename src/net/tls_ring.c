#include "net/tls_ring.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/tls_priv.h"

/* One certificate, as it is in use. */
struct ring_entry {
	char *label, *file, *key_file;
	X509 *cert;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* without cert */
	struct span *names;     /* lower case; owned, each too */
	size_t name_count;
	bool is_fallback, is_key_open;
};

struct ring_name {
	struct span name; /* borrowed from the entry */
	size_t entry;
};

/* What a load replaces as a whole. */
struct ring_set {
	atomic_int refs;
	size_t count;
	struct ring_entry *entries;
	struct ring_name *names; /* sorted, of one name by entry */
	size_t name_count;
};

struct ring_challenge {
	struct ring_challenge *next;
	char *name;
	X509 *cert;
	EVP_PKEY *key;
};

struct tls_ring {
	atomic_int refs;
	pthread_mutex_t lock; /* guards what follows */
	struct ring_set *set; /* NULL: nothing loaded yet */
	struct ring_challenge *challenges;
	size_t challenge_count;
};

/* ---- reading ---- */

/* A key with a password would be asked for on the terminal: it is refused instead. */
static int no_password(char *to, int size, int is_write, void *arg)
{
	return -1;
}

static BIO *pem_open(const char *file, struct span text, struct err *e)
{
	struct stat st;
	BIO *bio;

	if (file && stat(file, &st) == 0 && st.st_size > TLS_PEM_MAX) {
		err_set(e, ERR_LIMIT, "%s: larger than %d octets", file, TLS_PEM_MAX);
		return NULL;
	}
	if (!file && text.len > TLS_PEM_MAX) {
		err_set(e, ERR_LIMIT, "larger than %d octets", TLS_PEM_MAX);
		return NULL;
	}
	ERR_clear_error();
	bio = file ? BIO_new_file(file, "r") : BIO_new_mem_buf(text.ptr, (int)text.len);
	if (!bio)
		tls_err(e, file ? file : "reading PEM");
	return bio;
}

static int entry_read_chain(struct ring_entry *x, BIO *bio, const char *file, struct err *e)
{
	X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);

	if (!cert)
		return tls_err(e, file);
	x->cert = cert;
	x->chain = sk_X509_new_null();
	while ((cert = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
		if (sk_X509_num(x->chain) >= TLS_CERTS_MAX) {
			X509_free(cert);
			return err_set(
				e, ERR_LIMIT, "%s: more than %d certificates", file, TLS_CERTS_MAX);
		}
		MUST(sk_X509_push(x->chain, cert) > 0);
	}
	/* the end of the file is no error; a broken block is */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_err(e, file);
	ERR_clear_error();
	return 0;
}

/* The scratch context says whether OpenSSL would show it: key sizes, signatures, the pair itself. */
static int entry_check(
	struct ring_entry *x, SSL_CTX *scratch, const char *cert, const char *key, struct err *e)
{
	if (X509_check_private_key(x->cert, x->key) != 1) {
		tls_err(e, key);
		return err_wrap(e, "the key does not belong to %s", cert);
	}
	if (SSL_CTX_use_cert_and_key(scratch, x->cert, x->key, x->chain, 1) != 1) {
		tls_err(e, cert);
		return err_wrap(e, "this certificate cannot be used");
	}
	return 0;
}

static int entry_read(
	struct ring_entry *x, const struct tls_ring_pair *p, SSL_CTX *scratch, struct err *e)
{
	const char *cert = p->cert ? p->cert : x->label, *key = p->key ? p->key : x->label;
	struct stat st;
	BIO *bio = pem_open(p->cert, p->cert_pem, e);
	int rc = bio ? entry_read_chain(x, bio, cert, e) : -1;

	BIO_free(bio);
	if (rc < 0)
		return err_wrap(e, "reading a certificate");
	bio = pem_open(p->key, p->key_pem, e);
	if (!bio)
		return err_wrap(e, "reading a private key");
	x->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	if (!x->key) {
		tls_err(e, key);
		return err_wrap(e, "reading a private key");
	}
	x->is_key_open = p->key && stat(p->key, &st) == 0 && (st.st_mode & 06);
	return entry_check(x, scratch, cert, key, e);
}

/* ---- names ---- */

static bool is_name(struct span name)
{
	if (span_starts(name, SPAN("*.")))
		name = span_skip(name, 2);
	if (name.len == 0 || name.len > TLS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] == '*' || (unsigned char)name.ptr[i] >= 0x7f)
			return false;
	return true;
}

/* False: it is none that a client could ask for. */
static bool entry_add_name(struct ring_entry *x, struct span name)
{
	char *copy;

	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	if (!is_name(name) || x->name_count == TLS_RING_NAMES)
		return false;
	copy = mem_dup(name.ptr, name.len);
	for (size_t i = 0; i < name.len; i++)
		copy[i] = (char)span_lower((unsigned char)copy[i]);
	x->names[x->name_count++] = span_of(copy, name.len);
	return true;
}

/* RFC 6125 section 6.4.4: the subject's common name counts only where no alternative name is. */
static void entry_take_common_name(struct ring_entry *x)
{
	const X509_NAME *subject = X509_get_subject_name(x->cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *text = at < 0
		? NULL
		: X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));

	if (text)
		entry_add_name(
			x, span_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)));
}

static void entry_take_names(struct ring_entry *x)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x->cert, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;

	x->names = mem_alloc(sizeof(x->names[0]) * (size_t)(count < 1 ? 1 : count));
	for (int i = 0; i < count; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type == GEN_DNS)
			entry_add_name(x,
				span_of(ASN1_STRING_get0_data(n->d.dNSName),
					(size_t)ASN1_STRING_length(n->d.dNSName)));
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	if (!names)
		entry_take_common_name(x);
}

static int entry_set_names(struct ring_entry *x, const struct tls_ring_pair *p, struct err *e)
{
	if (!p->name_count) {
		entry_take_names(x);
		return 0;
	}
	if (p->name_count > TLS_RING_NAMES)
		return err_set(e, ERR_LIMIT, "more than %d names", TLS_RING_NAMES);
	x->names = mem_alloc(sizeof(x->names[0]) * p->name_count);
	for (size_t i = 0; i < p->name_count; i++)
		if (!entry_add_name(x, span_str(p->names[i])))
			return err_set(e, ERR_CONFIG, "\"%s\" is no name of a host", p->names[i]);
	return 0;
}

/* ---- sets ---- */

static void set_unref(struct ring_set *set)
{
	int before;

	if (!set)
		return;
	before = atomic_fetch_sub(&set->refs, 1);
	MUST(before > 0);
	if (before > 1)
		return;
	for (size_t i = 0; i < set->count; i++) {
		struct ring_entry *x = &set->entries[i];

		X509_free(x->cert);
		EVP_PKEY_free(x->key);
		sk_X509_pop_free(x->chain, X509_free);
		for (size_t k = 0; k < x->name_count; k++)
			free((char *)(uintptr_t)x->names[k].ptr);
		free(x->names);
		free(x->label);
		free(x->file);
		free(x->key_file);
	}
	free(set->entries);
	free(set->names);
	free(set);
}

static int by_name(const void *a, const void *b)
{
	const struct ring_name *x = a, *y = b;
	int order = span_cmp(x->name, y->name);

	return order ? order : x->entry < y->entry ? -1 : x->entry > y->entry;
}

static void set_sort(struct ring_set *set)
{
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		count += set->entries[i].name_count;
	set->names = mem_alloc(sizeof(set->names[0]) * (count ? count : 1));
	for (size_t i = 0; i < set->count; i++)
		for (size_t k = 0; k < set->entries[i].name_count; k++)
			set->names[set->name_count++] = (struct ring_name){
				set->entries[i].names[k], i};
	qsort(set->names, set->name_count, sizeof(set->names[0]), by_name);
}

static struct ring_set *set_load(const struct tls_ring_pair *pairs, size_t count, struct err *e)
{
	SSL_CTX *scratch = tls_ctx_new(TLS_server_method(), TLS1_2_VERSION, e);
	struct ring_set *set = scratch ? NEW(struct ring_set) : NULL;
	int rc = set ? 0 : -1;

	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	set->entries = mem_alloc(sizeof(set->entries[0]) * (count ? count : 1));
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct ring_entry *x = &set->entries[set->count++];

		x->label = tls_copy(pairs[i].label ? pairs[i].label : "");
		x->file = tls_copy(pairs[i].cert ? pairs[i].cert : "");
		x->key_file = tls_copy(pairs[i].key ? pairs[i].key : "");
		x->is_fallback = pairs[i].is_fallback;
		rc = entry_read(x, &pairs[i], scratch, e);
		if (rc == 0)
			rc = entry_set_names(x, &pairs[i], e);
		if (rc < 0 && x->label[0])
			err_wrap(e, "%s", x->label);
	}
	SSL_CTX_free(scratch);
	if (rc < 0) {
		set_unref(set);
		return NULL;
	}
	set_sort(set);
	return set;
}

int tls_ring_check(const struct tls_ring_pair *pair, struct err *e)
{
	struct ring_set *set = set_load(pair, 1, e);

	if (!set)
		return -1;
	set_unref(set);
	return 0;
}

/* ---- the ring ---- */

struct tls_ring *tls_ring_new(void)
{
	struct tls_ring *ring = NEW(struct tls_ring);

	atomic_init(&ring->refs, 1);
	pthread_mutex_init(&ring->lock, NULL);
	return ring;
}

struct tls_ring *tls_ring_ref(struct tls_ring *ring)
{
	MUST(atomic_fetch_add(&ring->refs, 1) > 0);
	return ring;
}

static void challenge_free(struct ring_challenge *c)
{
	X509_free(c->cert);
	EVP_PKEY_free(c->key);
	free(c->name);
	free(c);
}

void tls_ring_free(struct tls_ring **ring_p)
{
	struct tls_ring *ring = *ring_p;
	int before;

	*ring_p = NULL;
	if (!ring)
		return;
	before = atomic_fetch_sub(&ring->refs, 1);
	MUST(before > 0);
	if (before > 1)
		return;
	set_unref(ring->set);
	while (ring->challenges) {
		struct ring_challenge *c = ring->challenges;

		ring->challenges = c->next;
		challenge_free(c);
	}
	pthread_mutex_destroy(&ring->lock);
	free(ring);
}

int tls_ring_load(
	struct tls_ring *ring, const struct tls_ring_pair *pairs, size_t count, struct err *e)
{
	struct ring_set *fresh, *old;

	if (count == 0)
		return err_set(e, ERR_CONFIG, "TLS needs a certificate");
	if (count > TLS_RING_MAX)
		return err_set(e, ERR_LIMIT, "more than %d certificates", TLS_RING_MAX);
	fresh = set_load(pairs, count, e);
	if (!fresh)
		return -1;
	pthread_mutex_lock(&ring->lock);
	old = ring->set;
	ring->set = fresh;
	pthread_mutex_unlock(&ring->lock);
	set_unref(old);
	return 0;
}

static struct ring_set *ring_set(struct tls_ring *ring)
{
	struct ring_set *set;

	pthread_mutex_lock(&ring->lock);
	set = ring->set;
	if (set)
		MUST(atomic_fetch_add(&set->refs, 1) > 0);
	pthread_mutex_unlock(&ring->lock);
	return set;
}

/* ---- choosing ---- */

/* RSA, RSA-PSS, EC, Ed25519, Ed448: one of each goes with a connection. */
#define RING_KINDS 5

struct ring_choice {
	struct ring_entry *of[RING_KINDS];
};

static int kind_of(const struct ring_entry *x)
{
	static const int kinds[RING_KINDS] = {
		EVP_PKEY_RSA, EVP_PKEY_RSA_PSS, EVP_PKEY_EC, EVP_PKEY_ED25519, EVP_PKEY_ED448};

	for (int i = 0; i < RING_KINDS; i++)
		if (EVP_PKEY_get_base_id(x->key) == kinds[i])
			return i;
	return 0;
}

static bool is_expired(const struct ring_entry *x)
{
	return X509_cmp_current_time(X509_get0_notAfter(x->cert)) < 0;
}

static void offer(struct ring_choice *choice, struct ring_entry *x)
{
	struct ring_entry **at = &choice->of[kind_of(x)];

	if (!*at || (is_expired(*at) && !is_expired(x)))
		*at = x;
}

/* All that are for this very name; false: none is. */
static bool offer_name(struct ring_set *set, struct ring_choice *choice, struct span name)
{
	size_t low = 0, high = set->name_count;
	bool is_any = false;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (span_cmp(set->names[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < set->name_count && span_eq(set->names[low].name, name); low++) {
		offer(choice, &set->entries[set->names[low].entry]);
		is_any = true;
	}
	return is_any;
}

static void offer_fallback(struct ring_set *set, struct ring_choice *choice)
{
	bool is_any = false;

	for (size_t i = 0; i < set->count; i++) {
		if (!set->entries[i].is_fallback)
			continue;
		offer(choice, &set->entries[i]);
		is_any = true;
	}
	if (!is_any && set->count)
		offer(choice, &set->entries[0]);
}

/* "*.example" stands for exactly one label (RFC 6125 section 6.4.3). A name that is not here gets the
 * default: mail servers come by any MX name. */
static void choose(struct ring_set *set, struct span asked, struct ring_choice *choice)
{
	struct buf name;
	ptrdiff_t dot;

	buf_init(&name, TLS_NAME_MAX + 2);
	if (asked.len && asked.ptr[asked.len - 1] == '.')
		asked.len--;
	for (size_t i = 0; i < asked.len; i++)
		buf_char(&name, (char)span_lower((unsigned char)asked.ptr[i]));
	dot = span_find(buf_span(&name), '.');
	if (asked.len && buf_ok(&name) && !offer_name(set, choice, buf_span(&name)) && dot > 0) {
		buf_consume(&name, (size_t)dot - 1);
		name.mem[name.from] = '*';
		offer_name(set, choice, buf_span(&name));
	}
	buf_fini(&name);
	for (int i = 0; i < RING_KINDS; i++)
		if (choice->of[i])
			return;
	offer_fallback(set, choice);
}

int tls_ring_dress(struct tls_ring *ring, SSL *ssl, struct span asked)
{
	struct ring_set *set = ring_set(ring);
	struct ring_choice choice = {0};
	int rc = set ? 0 : -1;

	if (set)
		choose(set, asked, &choice);
	/* The connection takes references of its own. */
	for (int i = 0; i < RING_KINDS && rc == 0; i++) {
		struct ring_entry *x = choice.of[i];

		if (x && SSL_use_cert_and_key(ssl, x->cert, x->key, x->chain, 1) != 1)
			rc = -1;
	}
	set_unref(set);
	return rc;
}

size_t tls_ring_for(
	struct tls_ring *ring, struct span name, struct arena *a, struct tls_cert **certs_r)
{
	struct ring_set *set = ring_set(ring);
	struct ring_choice choice = {0};
	struct tls_cert *list = ARENA_ARRAY(a, struct tls_cert, RING_KINDS), *one;
	size_t count = 0;

	if (set)
		choose(set, name, &choice);
	for (int i = 0; i < RING_KINDS; i++)
		if (choice.of[i] && tls_cert_one(choice.of[i]->cert, a, &one))
			list[count++] = *one;
	set_unref(set);
	*certs_r = list;
	return count;
}

static const char *joined(struct arena *a, const struct ring_entry *x)
{
	struct buf *b = arena_buf(a, TLS_RING_NAMES * (TLS_NAME_MAX + 3));

	for (size_t i = 0; i < x->name_count; i++) {
		buf_str(b, i ? " " : "");
		buf_span_put(b, x->names[i]);
	}
	return buf_cstr(b);
}

size_t tls_ring_certs(struct tls_ring *ring, struct arena *a, struct tls_ring_cert **list_r)
{
	struct ring_set *set = ring_set(ring);
	size_t count = set ? set->count : 0;

	*list_r = ARENA_ARRAY(a, struct tls_ring_cert, count);
	for (size_t i = 0; i < count; i++) {
		const struct ring_entry *x = &set->entries[i];
		struct tls_ring_cert *c = &(*list_r)[i];
		struct tls_cert *cert;

		if (tls_cert_one(x->cert, a, &cert))
			c->cert = *cert;
		c->label = arena_str(a, span_str(x->label));
		c->file = arena_str(a, span_str(x->file));
		c->key_file = arena_str(a, span_str(x->key_file));
		c->names = joined(a, x);
		c->is_fallback = x->is_fallback;
		c->is_key_open = x->is_key_open;
	}
	set_unref(set);
	return count;
}

/* ---- challenges ---- */

static struct ring_challenge **challenge_at(struct tls_ring *ring, struct span name)
{
	struct ring_challenge **at = &ring->challenges;

	while (*at && !span_eq_nocase(span_str((*at)->name), name))
		at = &(*at)->next;
	return at;
}

int tls_ring_challenge_set(struct tls_ring *ring, struct span name, struct span cert_pem,
	struct span key_pem, struct err *e)
{
	struct tls_ring_pair pair = {.cert_pem = cert_pem, .key_pem = key_pem};
	struct ring_set *set = set_load(&pair, 1, e);
	struct ring_challenge *c, *old, **at;
	int rc = 0;

	if (!set)
		return -1;
	c = NEW(struct ring_challenge);
	c->name = mem_dup(name.ptr, name.len);
	c->cert = set->entries[0].cert;
	c->key = set->entries[0].key;
	X509_up_ref(c->cert);
	EVP_PKEY_up_ref(c->key);
	set_unref(set);
	pthread_mutex_lock(&ring->lock);
	at = challenge_at(ring, name);
	old = *at;
	if (!old && ring->challenge_count >= TLS_CHALLENGES_MAX) {
		rc = err_set(e, ERR_LIMIT, "more than %d challenges", TLS_CHALLENGES_MAX);
		old = c;
	} else {
		c->next = old ? old->next : NULL;
		*at = c;
		ring->challenge_count += !old;
	}
	pthread_mutex_unlock(&ring->lock);
	if (old)
		challenge_free(old);
	return rc;
}

void tls_ring_challenge_remove(struct tls_ring *ring, struct span name)
{
	struct ring_challenge **at, *old;

	pthread_mutex_lock(&ring->lock);
	at = challenge_at(ring, name);
	old = *at;
	if (old) {
		*at = old->next;
		ring->challenge_count--;
	}
	pthread_mutex_unlock(&ring->lock);
	if (old)
		challenge_free(old);
}

bool tls_ring_dress_challenge(struct tls_ring *ring, SSL *ssl, struct span asked)
{
	const struct ring_challenge *c;
	bool is_there;

	pthread_mutex_lock(&ring->lock);
	c = *challenge_at(ring, asked);
	is_there = c && SSL_use_cert_and_key(ssl, c->cert, c->key, NULL, 1) == 1;
	pthread_mutex_unlock(&ring->lock);
	return is_there;
}
