#include <pthread.h>
#include <sodium.h>
#include <stdio.h>

#include "clientcheck/check.h"
#include "core/base.h"
#include "core/num.h"

/* What came back, by number. */
struct tally {
	pthread_mutex_t lock;
	pthread_cond_t came;
	unsigned char *seen;
	uint64_t n, expected, doubles, wrong;
	const char *self;
	char server[256]; /* attached to while they came */
};

static void on_message(void *arg, const struct unibus_msg *m)
{
	struct tally *t = arg;
	struct ub_str text = {m->data, m->len};
	uint64_t i;

	pthread_mutex_lock(&t->lock);
	if (text.len < 8 || memcmp(text.p, "golden #", 8) != 0 || !m->encrypted || !m->verified ||
		strcmp(m->sender, t->self) != 0 ||
		ub_num_u64((struct ub_str){text.p + 8, text.len - 8}, 0, t->expected - 1, &i)) {
		t->wrong++;
	} else if (t->seen[i]) {
		t->doubles++;
	} else {
		t->seen[i] = 1;
		t->n++;
	}
	pthread_cond_signal(&t->came);
	pthread_mutex_unlock(&t->lock);
}

static enum unibus_err send_all(struct check *c, unibus_room *room)
{
	enum unibus_err err = UNIBUS_OK;

	for (uint64_t i = 0; !err && i < c->messages; i++) {
		char text[32];

		snprintf(text, sizeof(text), "golden #%llu", (unsigned long long)i);
		err = unibus_publish_text(room, text);
	}
	return err ? err : unibus_flush(c->client, (unsigned)c->timeout_ms);
}

static void wait_all(struct check *c, struct tally *t)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(c->timeout_ms / 1000) + 1;
	pthread_mutex_lock(&t->lock);
	while (t->n < t->expected && !rc)
		rc = pthread_cond_timedwait(&t->came, &t->lock, &until);
	pthread_mutex_unlock(&t->lock);
}

/* The numbers that did not come back: "3, 7, 8 and 12 more". */
static void name_missing(const struct tally *t, char *to, size_t len)
{
	size_t at = 0, named = 0;

	to[0] = '\0';
	for (uint64_t i = 0; i < t->expected && named < 20; i++)
		if (!t->seen[i]) {
			int n = snprintf(to + at, len - at, "%s%llu", named ? ", " : "",
				(unsigned long long)i);

			if (n < 0 || (size_t)n >= len - at)
				return;
			at += (size_t)n;
			named++;
		}
	if (t->expected - t->n > named)
		snprintf(to + at, len - at, " and %llu more",
			(unsigned long long)(t->expected - t->n - named));
}

static int judge(struct check *c, struct tally *t, const char *subject)
{
	char missing[512];

	if (t->n == t->expected && !t->doubles && !t->wrong) {
		return check_ok(c,
			"%llu of %llu messages back, decrypted and verified, by %s in %s",
			(unsigned long long)t->n, (unsigned long long)t->expected, t->server,
			subject);
	}
	name_missing(t, missing, sizeof(missing));
	return check_failed(c, "%llu of %llu messages back (missing: %s), %llu twice, %llu wrong",
		(unsigned long long)t->n, (unsigned long long)t->expected,
		missing[0] ? missing : "none", (unsigned long long)t->doubles,
		(unsigned long long)t->wrong);
}

static int exchange(struct check *c, unibus_room *room, struct tally *t)
{
	unibus_sub *sub = NULL;
	enum unibus_err err = unibus_subscribe(room, on_message, t, &sub);
	int rc;

	if (err)
		return check_failed_err(c, "could not subscribe", err);
	err = send_all(c, room);
	if (err) {
		rc = check_failed_err(c, "could not send", err);
	} else {
		wait_all(c, t);
		unibus_connected_server(c->client, t->server, sizeof(t->server));
		rc = 0;
	}
	unibus_unsubscribe(sub);
	return rc;
}

int check_golden(struct check *c)
{
	const struct unibus_policy policy = {.encrypt = true, .sign = true};
	UB_CLEANUP(ub_freep) unsigned char *seen = calloc(1, c->messages);
	struct tally t = {.seen = seen, .expected = c->messages};
	unibus_room *room = NULL;
	pthread_condattr_t attr;
	char subject[160];
	uint8_t random[8];
	char hex[17];
	enum unibus_err err;
	int rc;

	if (!seen)
		return check_failed(c, "%s", unibus_strerror(UNIBUS_ERR_NOMEM));
	randombytes_buf(random, sizeof(random));
	ub_hex_encode(random, sizeof(random), hex);
	snprintf(subject, sizeof(subject), "%s.%s", c->subject, hex);
	t.self = unibus_client_endpoint(c->client);
	pthread_mutex_init(&t.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t.came, &attr);
	pthread_condattr_destroy(&attr);

	err = unibus_room_create(c->client, subject, &policy, &room);
	if (err) {
		rc = check_failed_err(c, "could not create the room", err);
	} else {
		rc = exchange(c, room, &t);
		err = unibus_room_close(room);
		if (err && !rc)
			rc = check_failed_err(c, "could not close the room", err);
		unibus_room_free(room);
		if (!rc)
			rc = judge(c, &t, subject);
	}
	pthread_cond_destroy(&t.came);
	pthread_mutex_destroy(&t.lock);
	return rc;
}
