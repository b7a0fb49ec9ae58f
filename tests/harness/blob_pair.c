#include "tests/harness/blob_pair.h"

#include <sys/stat.h>
#include <unistd.h>

struct stack blob_stack;

int blob_setup(void **state)
{
	static const char *const args[] = {"--max-blob-bytes-per-room", "40000000", NULL};
	const struct stack_options o = {.md_args = args};

	*state = NULL;
	return stack_start(&blob_stack, &o);
}

int blob_teardown(void **state)
{
	(void)state;
	stack_stop(&blob_stack);
	return 0;
}

static void on_message(void *arg, const struct unibus_msg *m)
{
	struct pair *p = arg;

	pthread_mutex_lock(&p->lock);
	if (m->len < sizeof(p->payload)) {
		memcpy(p->payload, m->data, m->len);
		p->payload[m->len] = '\0';
		p->len = m->len;
		(void)snprintf(p->media_type, sizeof(p->media_type), "%s", m->media_type);
		p->n++;
	}
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void pair_wait(struct pair *p, size_t n)
{
	struct timespec until;
	int late = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	pthread_mutex_lock(&p->lock);
	while (p->n < n && !late)
		late = pthread_cond_timedwait(&p->changed, &p->lock, &until);
	pthread_mutex_unlock(&p->lock);
	assert_int_equal(0, late);
}

struct pair *pair_new(const char *test, const struct unibus_policy *policy)
{
	struct pair *p = calloc(1, sizeof(*p));
	char a[33], b[33], subject[64];

	(void)snprintf(a, sizeof(a), "a.%s", test);
	(void)snprintf(b, sizeof(b), "b.%s", test);
	(void)snprintf(subject, sizeof(subject), "room.%s", test);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	assert_int_equal(0, proc_dir_make(p->dir));
	p->alice = person_new(&blob_stack, a);
	p->bob = person_new(&blob_stack, b);
	person_connect(p->alice);
	person_connect(p->bob);
	assert_int_equal(UNIBUS_OK, unibus_room_create(p->alice->c, subject, policy, &p->a));
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p->a, b, UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(p->bob->c, subject, &p->b));
	assert_int_equal(UNIBUS_OK, unibus_subscribe(p->b, on_message, p, &p->sub));
	return p;
}

void pair_free(struct pair *p)
{
	unibus_unsubscribe(p->sub);
	unibus_room_free(p->a);
	unibus_room_free(p->b);
	person_free(p->alice);
	person_free(p->bob);
	proc_dir_remove(p->dir);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
	free(p);
}

const struct unibus_policy blob_sealed = {.encrypt = true, .sign = true};
const struct unibus_policy blob_plain = {0};
const struct unibus_policy blob_signing = {.sign = true};

const char *pair_path(const struct pair *p, const char *name)
{
	static _Thread_local char places[8][PROC_PATH + 64];
	static _Thread_local unsigned next;
	char *z = places[next++ % 8];

	(void)snprintf(z, sizeof(places[0]), "%s/%s", p->dir, name);
	return z;
}

void pair_fill(const char *path, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (size_t i = 0; i < len; i++)
		assert_true(
			putc(i < strlen(MARK) && len > 100 ? MARK[i] : kit_content(i), f) != EOF);
	assert_int_equal(0, fclose(f));
}

void pair_same(const char *a, const char *b)
{
	const char *const argv[] = {"cmp", a, b, NULL};

	assert_int_equal(0, proc_run(argv, NULL, NULL));
}

bool pair_exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

size_t pair_count(const char *dir, const char *glob)
{
	const char *const argv[] = {"find", dir, "-type", "f", "-name", glob, NULL};
	struct ub_buf out = UB_BUF(MIB);
	size_t n = 0;

	assert_int_equal(0, proc_run(argv, NULL, &out));
	for (size_t i = 0; i < out.len; i++)
		n += out.p[i] == '\n';
	ub_buf_deinit(&out);
	return n;
}

const char *pair_blob_dir(void)
{
	static char z[PROC_PATH + 16];

	(void)snprintf(z, sizeof(z), "%s.blobs", blob_stack.db);
	return z;
}

bool pair_on_server(const char *text)
{
	const char *const argv[] = {"grep", "-rqaF", text, pair_blob_dir(), blob_stack.db, NULL};

	return proc_run(argv, NULL, NULL) == 0;
}

bool pair_progress(void *arg, uint64_t done, uint64_t total)
{
	struct meter *m = arg;

	if (!m->calls++)
		m->first = done;
	m->fell = m->fell || done < m->last;
	m->last = done;
	m->total = total;
	return !m->stop_at || done < m->stop_at;
}

enum unibus_err pair_put(unibus_room *room, const char *file, struct meter *m)
{
	const struct unibus_blob_source src = {.file = file,
		.media_type = "text/plain",
		.progress = m ? pair_progress : NULL,
		.progress_arg = m};
	unibus_ref ref;

	return unibus_blob_put(room, &src, ref);
}

enum unibus_err pair_get(struct pair *p, const char *file, struct meter *m)
{
	const struct unibus_blob_target to = {
		.file = file, .progress = m ? pair_progress : NULL, .progress_arg = m};

	return unibus_blob_get(p->b, p->payload, p->len, &to);
}

void pair_share(struct pair *p, const char *name, size_t len)
{
	size_t before = p->n;

	pair_fill(pair_path(p, name), len);
	assert_int_equal(UNIBUS_OK, pair_put(p->a, pair_path(p, name), NULL));
	pair_wait(p, before + 1);
}
