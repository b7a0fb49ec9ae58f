/* The directory built anew from the records is the one that lived through every change; and it
 * can be read while it changes. */
#include "membershipd/domain/grant.h"
#include "tests/unit/domain/rooms_kit.h"

#define ROOMS 4
#define STEPS 600

struct life {
	struct world *w;
	struct ub_room room[ROOMS];
	uint64_t seed;
	size_t done; /* changes that were accepted */
};

/* The same numbers every time. */
static unsigned chance(struct life *l, unsigned below)
{
	l->seed = l->seed * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(l->seed >> 33) % below;
}

static ub_err step_user(struct life *l, unsigned n)
{
	struct md_user u;

	if (md_user_get(l->w->s, &l->w->p[n].id, &u))
		return kit_register(l->w, n, false);
	return u.active ? kit_revoke(l->w, n) : kit_register(l->w, n, u.admin);
}

static ub_err step_room(struct life *l, struct ub_room *room, unsigned by, unsigned who)
{
	const struct kit_peer *p = &l->w->p[who];
	enum ub_role role = (enum ub_role)(UB_ROLE_READER + chance(l, 3));
	const struct ub_op takeover[2] = {op_bare(UB_OP_TAKEOVER), op_epoch(room->epoch + 1, true)};
	const struct ub_op encrypt[2] = {op_policy(true, false), op_epoch(1, false)};

	switch (chance(l, 20)) {
	case 0:
		return kit_append(l->w, by, MD_ROOM_REMOVE, room, takeover, room->epoch ? 2 : 1);
	case 1:
		return kit_append(l->w, by, MD_ROOM_POLICY, room, encrypt, room->epoch ? 1 : 2);
	case 2:
		return kit_append(l->w, by, MD_ROOM_LEAVE, room, OPS(op_bare(UB_OP_LEAVE)));
	case 3:
		return kit_append(
			l->w, by, MD_ROOM_REKEY, room, OPS(op_epoch(room->epoch + 1, true)));
	case 4:
		return chance(l, 8) ? UB_OK
				    : kit_append(l->w, by, MD_ROOM_CLOSE, room,
					      OPS(op_bare(UB_OP_CLOSE)));
	case 5:
	case 6:
		return kit_append(l->w, by, MD_ROOM_ROLE, room,
			OPS(op_role(p, chance(l, 6) ? role : UB_ROLE_OWNER)));
	case 7:
	case 8:
		return kit_remove(l->w, room, by, who);
	case 9:
	case 10:
	case 11:
	case 12:
		return kit_invite(l->w, room, by, who, role);
	default:
		return kit_join(l->w, room, who);
	}
}

static void live(struct life *l)
{
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned who = 1 + chance(l, KIT_PEERS - 1);
		ub_err e;

		l->w->n_told = 0;
		l->w->boot += 10000;
		if (!chance(l, 12))
			e = step_user(l, who);
		else
			e = step_room(l, &l->room[chance(l, ROOMS)], chance(l, KIT_PEERS), who);
		l->done += !e;
	}
}

/* ---- what can be asked, as text ---- */

static void dump_room(const struct md_room_info *i, struct ub_buf *out)
{
	ub_buf_b64url(out, i->id.b, sizeof(i->id.b));
	ub_buf_printf(out, " %s e%u s%u m%zu r%d%d%d%d%d ", i->subject, i->epoch, (unsigned)i->seq,
		i->n_members, (int)i->role, i->joined, i->closed, i->rotation_due, i->removal_due);
	ub_buf_b64url(out, i->head.b, sizeof(i->head.b));
	ub_buf_b64url(out, i->owner.b, sizeof(i->owner.b));
	ub_buf_u8(out, '\n');
}

static void dump_grant(struct md_service *s, const struct kit_peer *p, struct ub_buf *out)
{
	struct md_grant g;
	ub_err e = md_grant_for(s, &p->sign, &g);

	ub_buf_printf(out, "grant %s\n", unibus_err_word(e));
	if (e)
		return;
	for (size_t i = 0; i < g.n_subjects; i++)
		ub_buf_printf(out, "%s\n", g.subjects[i]);
	md_grant_deinit(&g);
}

static void dump_key(struct md_service *s, const struct md_caller *by, const struct ub_room_id *id,
	struct ub_buf *out)
{
	uint8_t key[UB_SEALED_LEN];
	uint32_t n = 0;

	for (uint32_t epoch = 0; epoch < 4; epoch++)
		ub_buf_printf(out, "key %s %u\n",
			unibus_err_word(md_room_key(s, by, id, epoch, &n, key)), n);
}

static void dump(struct md_service *s, const struct world *w, struct ub_buf *out)
{
	struct md_room_info rooms[ROOMS];
	struct md_user u[KIT_PEERS];
	size_t n;

	assert_int_equal(md_user_list(s, UB_STR(""), u, KIT_PEERS, &n), UB_OK);
	for (size_t i = 0; i < n; i++)
		ub_buf_printf(out, "%s %d%d %u %u\n", u[i].handle, u[i].admin, u[i].active,
			(unsigned)u[i].created_ms, (unsigned)u[i].revoked_ms);
	for (size_t i = 0; i < KIT_PEERS; i++) {
		struct md_caller by = {.key = w->p[i].sign, .id = w->p[i].id};

		dump_grant(s, &w->p[i], out);
		assert_int_equal(md_room_of(s, &by, &by.id, NULL, rooms, ROOMS, &n), UB_OK);
		for (size_t k = 0; k < n; k++) {
			dump_room(&rooms[k], out);
			dump_key(s, &by, &rooms[k].id, out);
		}
	}
	assert_int_equal(ub_buf_err(out), UB_OK);
}

static void built_anew_it_is_the_same(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct life l = {.w = world_new(), .seed = seed};
		struct md_service_config c = kit_config(l.w);
		UB_CLEANUP(ub_buf_deinit) struct ub_buf lived = UB_BUF(1 << 20);
		UB_CLEANUP(ub_buf_deinit) struct ub_buf built = UB_BUF(1 << 20);
		struct md_service *other;
		char subject[] = "room.0";

		for (unsigned i = 0; i < ROOMS; i++) {
			subject[5] = (char)('0' + i);
			assert_int_equal(
				kit_create(l.w, i, subject, i % 2 ? ENCRYPTED : PLAIN, &l.room[i]),
				UB_OK);
		}
		live(&l);
		assert_true(l.done > STEPS / 10);
		c.events = (struct md_events){0};
		assert_int_equal(md_service_new(&c, &other), UB_OK);
		dump(l.w->s, l.w, &lived);
		dump(other, l.w, &built);
		assert_string_equal(ub_buf_cstr(&lived), ub_buf_cstr(&built));
		for (unsigned i = 0; i < ROOMS; i++)
			ub_room_deinit(&l.room[i]);
		md_service_free(other);
		world_free(l.w);
	}
}

/* ---- readers beside a writer ---- */

struct reader {
	struct world *w;
	struct ub_room_id room;
	pthread_mutex_t *lock;
	bool *stop;
	size_t rounds;
};

static bool stopped(struct reader *r)
{
	bool stop;

	pthread_mutex_lock(r->lock);
	stop = *r->stop;
	pthread_mutex_unlock(r->lock);
	return stop;
}

static void *reading(void *arg)
{
	struct reader *r = arg;

	do {
		struct md_caller c = kit_stale_caller(r->w, 0, true);
		struct md_room_info i;
		struct md_user u[KIT_PEERS];
		struct md_grant g;
		size_t n;

		assert_int_equal(md_room_get(r->w->s, &c, &r->room, &i), UB_OK);
		assert_int_equal(md_grant_for(r->w->s, &r->w->p[0].sign, &g), UB_OK);
		md_grant_deinit(&g);
		assert_int_equal(md_user_list(r->w->s, UB_STR(""), u, KIT_PEERS, &n), UB_OK);
		r->rounds += n > 0;
	} while (!stopped(r));
	return NULL;
}

static void it_is_read_while_it_changes(void **state)
{
	struct world *w = world_new();
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct ub_room room;
	struct reader r[2];
	pthread_t t[2];
	bool stop = false;

	(void)state;
	assert_int_equal(kit_create(w, 0, "room.a", PLAIN, &room), UB_OK);
	for (size_t i = 0; i < 2; i++) {
		r[i] = (struct reader){w, room.id, &lock, &stop, 0};
		assert_int_equal(pthread_create(&t[i], NULL, reading, &r[i]), 0);
	}
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(kit_invite(w, &room, 0, 1, UB_ROLE_MEMBER), UB_OK);
		assert_int_equal(kit_join(w, &room, 1), UB_OK);
		assert_int_equal(kit_remove(w, &room, 0, 1), UB_OK);
		assert_int_equal(kit_revoke(w, 2), UB_OK);
		assert_int_equal(kit_register(w, 2, false), UB_OK);
	}
	pthread_mutex_lock(&lock);
	stop = true;
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		assert_true(r[i].rounds > 0);
	}
	ub_room_deinit(&room);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_anew_it_is_the_same),
		cmocka_unit_test(it_is_read_while_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
