#include "tests/harness/lies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BODY_MAX (256 * 1024)

void stage_connect_alice(struct stage *b)
{
	libpeer_connect(&b->alice, &b->alice_is,
		&(struct libpeer_at){.http_port = liar_port(b->l),
			.nats_port = b->s.nats_port,
			.dir = b->s.dir,
			.no_auto_join = true});
}

int stage_start(void **state)
{
	struct stage *b = calloc(1, sizeof(*b));
	struct actor *all[] = {&b->alice_is, &b->bob_is, &b->carl_is, &b->olga_is, &b->ghost_is};
	static const char *const names[] = {"alice", "bob", "carl", "olga", "ghost"};

	assert_non_null(b);
	assert_int_equal(0, stack_start(&b->s, NULL));
	b->l = liar_start(b->s.http_port);
	assert_non_null(b->l);
	actor_of(&b->root, "root", &b->s.admin);
	for (size_t i = 0; i < UB_ARRAY_LEN(all); i++) {
		actor_new(all[i], names[i]);
		actor_register(&b->s, &b->root, all[i]);
		actor_publish(&b->s, all[i]);
	}
	stage_connect_alice(b);
	libpeer_connect(&b->bob, &b->bob_is,
		&(struct libpeer_at){.http_port = b->s.http_port,
			.nats_port = b->s.nats_port,
			.dir = b->s.dir,
			.no_auto_join = true});
	*state = b;
	return 0;
}

int stage_stop(void **state)
{
	struct stage *b = *state;

	libpeer_close(&b->alice);
	libpeer_close(&b->bob);
	liar_stop(b->l);
	stack_stop(&b->s);
	free(b);
	return 0;
}

/* Olga makes a room with Alice, Bob and Carl in it; nobody has looked at it yet. */
int stage_set_up(void **state)
{
	struct stage *b = *state;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(BODY_MAX);

	(void)snprintf(b->subject, sizeof(b->subject), "room.c%u", ++b->n);
	shadow_create(&b->room, &b->olga_is, b->subject,
		(struct ub_policy){.encrypt = true, .sign = true}, &body);
	ask_expect(ASK(&b->s, &b->olga_is.sk, "POST", "/rooms", ub_buf_cstr(&body)), 201, "");
	shadow_do(&b->room, &b->s, "invite",
		&(struct shadow_change){.by = &b->olga_is,
			SHADOW_OPS(shadow_add(&b->alice_is, UB_ROLE_MEMBER),
				shadow_add(&b->bob_is, UB_ROLE_MEMBER),
				shadow_add(&b->carl_is, UB_ROLE_MEMBER))});
	libpeer_forget(&b->alice);
	libpeer_forget(&b->bob);
	return 0;
}

int stage_tear_down(void **state)
{
	struct stage *b = *state;

	liar_set(b->l, NULL, NULL);
	libpeer_room_close(&b->alice);
	libpeer_room_close(&b->bob);
	shadow_deinit(&b->room);
	return 0;
}

/* Alice and Bob are in the room and hear each other. */
void stage_gather(struct stage *b)
{
	libpeer_room(&b->alice, b->subject);
	libpeer_room(&b->bob, b->subject);
	libpeer_say(&b->bob, "hello");
	assert_true(libpeer_hears(&b->alice, "hello", NULL));
	libpeer_forget(&b->alice);
	libpeer_forget(&b->bob);
}

struct unibus_room_info stage_info(struct libpeer *p)
{
	struct unibus_room_info info;

	unibus_room_get_info(p->room, &info);
	return info;
}

static bool tell(void *arg, struct liar_call *call)
{
	struct lie *l = arg;

	if (strcmp(call->method, l->method) != 0 ||
		strncmp(call->target, l->path, strlen(l->path)) != 0)
		return false;
	l->target = call->target;
	if (l->json) {
		call->status = l->status ? l->status : 200;
		json_decref(call->answer);
		call->answer = json_incref(l->json);
		return true;
	}
	return call->status == 200 && l->twist(l, call->answer);
}

void lie_about(struct lie *l, struct stage *b, const char *path)
{
	l->b = b;
	(void)snprintf(l->method, sizeof(l->method), "GET");
	(void)snprintf(l->path, sizeof(l->path), "%s", path);
	liar_set(b->l, tell, l);
}

void lie_about_room(struct lie *l, struct stage *b, const char *idz, const char *part)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/rooms/%s%s", idz, part);
	lie_about(l, b, path);
}

/* The lie was told, and is over. */
void lie_ends(struct stage *b, struct lie *l)
{
	assert_true(liar_lies(b->l) > 0);
	liar_set(b->l, NULL, NULL);
	json_decref(l->json);
	*l = (struct lie){0};
}
