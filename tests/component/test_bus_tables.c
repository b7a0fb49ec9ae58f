/* What the bus side knows: servers and whether they are fit, sessions, and jobs of kicks. */
#include "core/endpoint.h"
#include "membershipd/nats/kick_job.h"
#include "membershipd/nats/servers.h"
#include "membershipd/nats/sessions.h"
#include "tests/unit/domain/rooms_kit.h"

#define ID_A "NDSQBDCB6MVCOGYE2XBK2JRQWBVV7Y5LTJX4WWHVGB3MWBIYVEZMXDVY"
#define ID_B "NAIVSCTSU2IRQ3FGKPSAB3MWUXAXCZLMFHSXSLVUAXNIYALLXJNKYDPG"

/* ---- servers ---- */

static void versions_with_known_holes_are_unfit(void **state)
{
	static const struct {
		const char *version;
		bool fit;
	} CASES[] = {
		{"2.9.10", false},
		{"2.10.27", false},
		{"2.12.11", false},
		{"2.12.12", true},
		{"2.12.12-beta.1", false},
		{"2.12.13-beta.1", true},
		{"2.12.100", true},
		{"2.13.0", true},
		{"2.14.0", false},
		{"2.14.1", false},
		{"2.14.2", false},
		{"2.14.3", true},
		{"2.14.3-rc.1", false},
		{"2.15.0-dev", false},
		{"2.15.1", true},
		{"v2.15.1", true},
		{"3.0.0", true},
		{"1.99.99", false},
		{"", false},
		{"2", false},
		{"2.15", false},
		{"2.15.", false},
		{"2.15.1x", false},
		{"2..1", false},
		{"2.015.1", false},
		{"-2.15.1", false},
		{"99999999999999999999.1.1", false},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(CASES); i++)
		if (md_server_version_fit(CASES[i].version) != CASES[i].fit)
			fail_msg("%s", CASES[i].version);
}

static void times_read_as_go_writes_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} GOOD[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-11-23T00:17:14Z", 1795393034000},
		{"2026-11-23T00:17:14.5Z", 1795393034500},
		{"2026-11-23T00:17:14.123456789Z", 1795393034123},
		{"2028-02-29T23:59:59.999Z", 1835481599999},
	};
	static const char *const BAD[] = {
		"",
		"2026-11-23",
		"2026-11-23T00:17:14",
		"2026-11-23T00:17:14+01:00",
		"2026-11-23 00:17:14Z",
		"2026-11-23T00:17:14.Z",
		"2026-11-23T00:17:14.5",
		"2026-11-23T00:17:14Zx",
		"2026-13-23T00:17:14Z",
		"2026-00-23T00:17:14Z",
		"2026-11-32T00:17:14Z",
		"2026-11-23T24:17:14Z",
		"2026-11-23T00:60:14Z",
		"1969-11-23T00:17:14Z",
		"20a6-11-23T00:17:14Z",
	};
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(GOOD); i++) {
		assert_int_equal(md_server_time(ub_str(GOOD[i].text), &ms), UB_OK);
		assert_true(ms == GOOD[i].ms);
	}
	for (size_t i = 0; i < UB_ARRAY_LEN(BAD); i++)
		if (md_server_time(ub_str(BAD[i]), &ms) != UNIBUS_ERR_INVALID)
			fail_msg("%s", BAD[i]);
}

struct pong {
	const char *id, *name, *version, *time;
	unsigned active;
};

static ub_err heard(struct md_servers *t, const struct pong *p, uint64_t boot_ms)
{
	char json[512];

	(void)snprintf(json, sizeof(json),
		"{\"server\":{\"name\":\"%s\",\"host\":\"h\",\"id\":\"%s\",\"ver\":\"%s\","
		"\"time\":\"%s\"},\"statsz\":{\"active_servers\":%u,\"cpu\":0.5}}",
		p->name, p->id, p->version, p->time, p->active);
	return md_servers_heard(
		t, &(struct md_ping_answer){.json = {(const uint8_t *)json, strlen(json)},
			   .asked_ms = 1795393034000,
			   .now_ms = 1795393034010,
			   .boot_ms = boot_ms});
}

#define NOW "2026-11-23T00:17:14.005Z"

static void servers_are_complete_when_all_have_answered(void **state)
{
	struct md_servers t = {.n = 0};

	(void)state;
	assert_false(md_servers_complete(&t));
	assert_int_equal(heard(&t, &(struct pong){ID_A, "n1", "2.15.1", NOW, 2}, 1), UB_OK);
	assert_false(md_servers_complete(&t));
	assert_int_equal(heard(&t, &(struct pong){ID_A, "n1", "2.15.1", NOW, 2}, 2), UB_OK);
	assert_int_equal(t.n, 1);
	assert_int_equal(heard(&t, &(struct pong){ID_B, "n2", "2.15.1", NOW, 2}, 3), UB_OK);
	assert_true(md_servers_complete(&t));
	assert_null(md_servers_unfit(&t));
	/* Restarted: another id under the same name. */
	assert_int_equal(heard(&t, &(struct pong){ID_A, "n2", "2.15.1", NOW, 2}, 4), UB_OK);
	assert_int_equal(t.n, 2);
	md_servers_age(&t, 4 + MD_SERVER_SILENT_MS);
	assert_int_equal(t.n, 1);
	md_servers_age(&t, 5 + MD_SERVER_SILENT_MS);
	assert_int_equal(t.n, 0);
}

static void a_server_too_old_or_off_the_clock_is_unfit(void **state)
{
	static const struct {
		const char *version, *time;
		enum md_server_fault fault;
	} CASES[] = {
		{"2.15.1", NOW, MD_SERVER_FIT},
		{"2.14.2", NOW, MD_SERVER_TOO_OLD},
		{"2.15.1", "2026-11-23T00:17:13.000Z", MD_SERVER_FIT},
		{"2.15.1", "2026-11-23T00:17:12.999Z", MD_SERVER_CLOCK},
		{"2.15.1", "2026-11-23T00:17:15.010Z", MD_SERVER_FIT},
		{"2.15.1", "2026-11-23T00:17:15.011Z", MD_SERVER_CLOCK},
		{"2.15.1", "2026-11-22T23:17:14.005Z", MD_SERVER_CLOCK},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(CASES); i++) {
		struct md_servers t = {.n = 0};
		const struct md_server_seen *bad;

		assert_int_equal(
			heard(&t, &(struct pong){ID_A, "n1", CASES[i].version, CASES[i].time, 1},
				1),
			UB_OK);
		bad = md_servers_unfit(&t);
		assert_int_equal(bad ? bad->fault : MD_SERVER_FIT, CASES[i].fault);
	}
}

static void an_answer_that_is_none_is_ignored(void **state)
{
	static const char *const BAD[] = {
		"",
		"[]",
		"{}",
		"{\"server\":{}}",
		"{\"server\":{\"id\":\"x\",\"name\":\"n\",\"ver\":\"1\",\"time\":\"" NOW "\"}}",
		"{\"server\":{\"id\":\"" ID_A "\",\"name\":\"\",\"ver\":\"1\",\"time\":\"" NOW
		"\"},\"statsz\":{}}",
		"{\"server\":{\"id\":\"" ID_A "\",\"name\":\"n\",\"ver\":\"1\",\"time\":\"now\"},"
		"\"statsz\":{}}",
		"{\"server\":{\"id\":\"" ID_A "\",\"name\":\"n\",\"ver\":\"1\",\"time\":\"" NOW
		"\"}}",
		"{\"server\":{\"id\":\"" ID_A "\",\"name\":\"n\",\"ver\":1,\"time\":\"" NOW
		"\"},\"statsz\":{}}",
	};
	struct md_servers t = {.n = 0};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(BAD); i++)
		assert_int_equal(md_servers_heard(&t,
					 &(struct md_ping_answer){.json = {(const uint8_t *)BAD[i],
									  strlen(BAD[i])}}),
			UNIBUS_ERR_INVALID);
	assert_int_equal(t.n, 0);
}

/* ---- sessions ---- */

static ub_err count_one(void *arg, const struct md_conn *c)
{
	(void)c;
	++*(size_t *)arg;
	return UB_OK;
}

/* `r` lost at the revision after that of grant_of. */
static size_t count(
	struct md_sessions *s, const struct ub_endpoint *who, const struct ub_room_id *r)
{
	const struct md_loss loss = {.room = r, .rev = 4};
	size_t n = 0;

	assert_int_equal(md_sessions_each(s, who, &loss, count_one, &n), UB_OK);
	return n;
}

static struct md_grant grant_of(const struct ub_room_id *room)
{
	struct md_grant g = {.rev = 3, .n_rooms = 1};

	g.rooms = malloc(sizeof(*g.rooms));
	assert_non_null(g.rooms);
	g.rooms[0] = ub_get_u64(room->b);
	return g;
}

static void a_pending_login_holds_everything_a_granted_one_its_rooms(void **state)
{
	struct ub_endpoint bob = {{1}}, eve = {{2}};
	struct ub_room_id one = {{1}}, two = {{2}};
	struct md_conn c = md_conn_of(ID_A, 7), same_cid = md_conn_of(ID_B, 7);
	const struct md_loss lost_one = {&one, 4}, lost_two = {&two, 4};
	struct md_sessions *s;
	struct md_grant g = grant_of(&one);

	(void)state;
	assert_int_equal(md_sessions_new(2, &s), UB_OK);
	assert_int_equal(md_sessions_begin(s, &c, &bob, 100), UB_OK);
	assert_int_equal(count(s, &bob, &two), 1);
	md_sessions_grant(s, &c, &g);
	assert_null(g.rooms);
	assert_int_equal(count(s, &bob, NULL), 1);
	assert_int_equal(count(s, &bob, &one), 1);
	assert_int_equal(count(s, &bob, &two), 0);
	assert_int_equal(count(s, &eve, NULL), 0);
	assert_int_equal(md_sessions_holds(s, &c, &bob, &lost_two), MD_HOLDS_NOT);
	assert_int_equal(md_sessions_holds(s, &c, &eve, &lost_one), MD_HOLDS_UNKNOWN);
	assert_int_equal(md_sessions_holds(s, &same_cid, &bob, &lost_one), MD_HOLDS_UNKNOWN);

	/* Full at two; a second login on the same connection needs no room. */
	assert_int_equal(md_sessions_begin(s, &same_cid, &eve, 200), UB_OK);
	assert_int_equal(md_sessions_begin(s, &same_cid, &bob, 200), UB_OK);
	assert_int_equal(count(s, &eve, NULL), 0);
	c.cid = 8;
	assert_int_equal(md_sessions_begin(s, &c, &eve, 200), UNIBUS_ERR_LIMIT);
	md_sessions_expire(s, 100);
	assert_int_equal(md_sessions_count(s), 1);
	md_sessions_end(s, &same_cid);
	md_sessions_end(s, &same_cid);
	assert_int_equal(md_sessions_count(s), 0);
	md_sessions_free(s);
}

static void a_login_granted_after_the_loss_is_not_one_that_held_it(void **state)
{
	static const struct {
		uint64_t lost;
		enum md_holds one, all;
	} cases[] = {
		{2, MD_HOLDS_NOT, MD_HOLDS},
		{3, MD_HOLDS_NOT, MD_HOLDS},
		{4, MD_HOLDS, MD_HOLDS},
	};
	struct ub_endpoint bob = {{1}};
	struct ub_room_id one = {{1}};
	struct md_conn c = md_conn_of(ID_A, 7);
	struct md_grant g = grant_of(&one); /* at revision 3 */
	struct md_sessions *s;

	(void)state;
	assert_int_equal(md_sessions_new(0, &s), UB_OK);
	assert_int_equal(md_sessions_begin(s, &c, &bob, 100), UB_OK);
	md_sessions_grant(s, &c, &g);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		const struct md_loss room = {&one, cases[i].lost}, all = {NULL, cases[i].lost};

		assert_int_equal(md_sessions_holds(s, &c, &bob, &room), cases[i].one);
		assert_int_equal(md_sessions_holds(s, &c, &bob, &all), cases[i].all);
	}
	md_sessions_free(s);
}

/* ---- jobs ---- */

static const struct md_server SERVERS[] = {{ID_A, "n1"}, {ID_B, "n2"}};

static struct job *job_of(struct world *w, enum md_event_kind kind, size_t n_who)
{
	struct ub_endpoint who[KIT_PEERS];
	struct job *j;

	for (size_t i = 0; i < n_who; i++)
		who[i] = w->p[i].id;
	j = job_new(&(struct md_event){
		.kind = kind, .rev = 9, .room = {{1}}, .who = who, .n_who = n_who});
	assert_non_null(j);
	j->id = 4;
	j->wall_ms = 1795393034000;
	assert_int_equal(job_sweeps_plan(j, w->s, SERVERS, UB_ARRAY_LEN(SERVERS)), UB_OK);
	return j;
}

static struct job_answer json_answer(const char *json)
{
	return (struct job_answer){.json = {(const uint8_t *)json, strlen(json)}};
}

static void sweep_answered(struct job *j, size_t no, struct md_sessions *s, const char *json)
{
	struct job_answer a = json_answer(json);

	job_sweep_answered(j, no, &a, s);
}

static void kick_answered(struct job *j, size_t no, const char *json)
{
	struct job_answer a = json_answer(json);

	job_kick_answered(j, no, &a);
}

/* A page of CONNZ with one connection of that peer. */
static char *page_of(const struct kit_peer *p, unsigned cid, const char *start, unsigned total)
{
	static char json[512];
	char nkey[UB_NKEY_TEXT + 1];

	ub_nkey_encode(UB_NKEY_USER, p->sign.b, nkey);
	(void)snprintf(json, sizeof(json),
		"{\"server\":{},\"data\":{\"total\":%u,\"offset\":0,\"limit\":1024,\"connections\":"
		"[{\"cid\":%u,\"kind\":\"Client\",\"authorized_user\":\"%s\",\"start\":\"%s\"}]}}",
		total, cid, nkey, start);
	return json;
}

#define EMPTY_PAGE "{\"server\":{},\"data\":{\"total\":0,\"connections\":[]}}"

static void a_job_asks_every_server_and_is_confirmed_by_all_answers(void **state)
{
	struct world *w = world_new();
	struct job *j = job_of(w, MD_EVENT_REVOKED, 1);
	struct md_conn known = md_conn_of(ID_A, 5);
	const char *names[MD_UNCONFIRMED_MAX];
	struct md_sessions *s;
	struct job_ask a;
	unsigned asked = 0;

	(void)state;
	assert_int_equal(md_sessions_new(0, &s), UB_OK);
	assert_int_equal(job_target_add(j, &known), UB_OK);
	assert_int_equal(job_target_add(j, &known), UB_OK);
	assert_int_equal(j->n_targets, 1);
	assert_true(job_next_ask(j, &a));
	assert_string_equal(a.subject, "$SYS.REQ.SERVER." ID_A ".KICK");
	assert_string_equal(a.body, "{\"cid\":5}");
	assert_string_equal(a.reply, "4.k0");
	while (job_next_ask(j, &a)) {
		assert_true(a.is_sweep);
		assert_non_null(strstr(a.subject, ".CONNZ"));
		assert_non_null(strstr(a.body, "\"user\":\"U"));
		asked++;
	}
	assert_int_equal(asked, 2);
	assert_false(job_settled(j));

	kick_answered(j, 0, "{\"server\":{}}");
	assert_int_equal(j->kicked, 1);
	sweep_answered(j, 1, s, EMPTY_PAGE);
	/* The first server has one more that nobody knew of. */
	sweep_answered(j, 0, s, page_of(&w->p[0], 6, "2026-11-23T00:00:00Z", 1));
	assert_int_equal(j->n_targets, 2);
	assert_false(job_settled(j));
	assert_int_equal(job_unconfirmed(j, SERVERS, 2, names), 1);
	assert_string_equal(names[0], "n1");
	assert_true(job_next_ask(j, &a));
	assert_string_equal(a.body, "{\"cid\":6}");
	/* It went by itself: confirmed, but not kicked by us. */
	kick_answered(j, 1, "{\"server\":{},\"error\":{\"code\":500}}");
	assert_int_equal(j->kicked, 1);
	assert_true(job_settled(j) && job_confirmed(j));
	assert_int_equal(job_unconfirmed(j, SERVERS, 2, names), 0);
	job_free(j);
	md_sessions_free(s);
	world_free(w);
}

static void what_is_not_an_answer_confirms_nothing(void **state)
{
	static const char *const BAD[] = {"", "x", "[]", "{}", "{\"data\":{}}",
		"{\"data\":{\"total\":0}}", "{\"data\":{\"total\":-1,\"connections\":[]}}",
		"{\"data\":{\"total\":0,\"connections\":{}}}"};
	struct world *w = world_new();
	struct md_conn c = md_conn_of(ID_A, 5);
	struct md_sessions *s;
	struct job_ask a;

	(void)state;
	assert_int_equal(md_sessions_new(0, &s), UB_OK);
	for (size_t i = 0; i < UB_ARRAY_LEN(BAD); i++) {
		struct job *j = job_of(w, MD_EVENT_REVOKED, 1);

		while (job_next_ask(j, &a))
			;
		sweep_answered(j, 0, s, BAD[i]);
		sweep_answered(j, 1, s, EMPTY_PAGE);
		sweep_answered(j, 99, s, EMPTY_PAGE);
		assert_true(job_settled(j));
		assert_false(job_confirmed(j));
		/* The next round asks that one again, from the start. */
		job_retry(j);
		assert_true(job_next_ask(j, &a));
		assert_int_equal(a.no, 0);
		assert_false(job_next_ask(j, &a));
		sweep_answered(j, 0, s, EMPTY_PAGE);
		assert_true(job_confirmed(j));
		assert_int_equal(job_target_add(j, &c), UB_OK);
		assert_true(job_next_ask(j, &a));
		kick_answered(j, 0, "nonsense");
		assert_false(job_settled(j));
		job_free(j);
	}
	md_sessions_free(s);
	world_free(w);
}

static void a_server_that_nobody_answers_for_is_gone_only_if_all_others_are_known(void **state)
{
	struct world *w = world_new();
	struct job *j = job_of(w, MD_EVENT_REVOKED, 1);
	struct md_conn c = md_conn_of(ID_A, 5);
	struct job_answer silent = {.no_responders = true}, gone;
	struct md_sessions *s;
	struct job_ask a;

	(void)state;
	gone = (struct job_answer){.no_responders = true, .gone = true};
	assert_int_equal(md_sessions_new(0, &s), UB_OK);
	assert_int_equal(job_target_add(j, &c), UB_OK);
	while (job_next_ask(j, &a))
		;
	job_kick_answered(j, 0, &silent);
	job_sweep_answered(j, 0, &silent, s);
	job_sweep_answered(j, 1, &gone, s);
	assert_true(job_settled(j));
	assert_false(job_confirmed(j));
	job_retry(j);
	while (job_next_ask(j, &a))
		;
	job_kick_answered(j, 0, &gone);
	job_sweep_answered(j, 0, &gone, s);
	assert_true(job_confirmed(j));
	assert_int_equal(j->kicked, 0);
	job_free(j);
	md_sessions_free(s);
	world_free(w);
}

static void a_sweep_takes_who_is_meant_and_what_held_the_room(void **state)
{
	static const struct {
		const char *name;
		enum md_event_kind kind;
		unsigned peer; /* whose connection it is; 0 is meant */
		int known;     /* 1: ours with the room, 2: ours without it, 0: not ours */
		const char *start;
		bool goes;
	} CASES[] = {
		{"revoked, not ours", MD_EVENT_REVOKED, 0, 0, "2026-11-23T00:00:00Z", true},
		{"revoked, not ours, new", MD_EVENT_REVOKED, 0, 0, "2026-11-23T01:00:00Z", true},
		{"revoked, somebody else's", MD_EVENT_REVOKED, 1, 0, "2026-11-23T00:00:00Z", false},
		{"narrowed, with the room", MD_EVENT_NARROWED, 0, 1, "2026-11-23T00:00:00Z", true},
		{"narrowed, without it", MD_EVENT_NARROWED, 0, 2, "2026-11-23T00:00:00Z", false},
		{"narrowed, not ours, from before", MD_EVENT_NARROWED, 0, 0, "2026-11-23T00:17:13Z",
			true},
		{"narrowed, not ours, from after", MD_EVENT_NARROWED, 0, 0, "2026-11-23T00:17:16Z",
			false},
		{"narrowed, not ours, of no known age", MD_EVENT_NARROWED, 0, 0, "yesterday", true},
	};
	struct world *w = world_new();

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(CASES); i++) {
		struct job *j = job_of(w, CASES[i].kind, 1);
		struct md_conn c = md_conn_of(ID_A, 5);
		struct ub_room_id other = {{2}};
		struct md_grant g = grant_of(CASES[i].known == 1 ? &j->ev.room : &other);
		struct md_sessions *s;
		struct job_ask a;

		assert_int_equal(md_sessions_new(0, &s), UB_OK);
		if (CASES[i].known) {
			assert_int_equal(md_sessions_begin(s, &c, &w->p[0].id, 1000), UB_OK);
			md_sessions_grant(s, &c, &g);
		}
		while (job_next_ask(j, &a))
			;
		sweep_answered(j, 0, s, page_of(&w->p[CASES[i].peer], 5, CASES[i].start, 1));
		if (j->n_targets != CASES[i].goes)
			fail_msg("%s", CASES[i].name);
		md_grant_deinit(&g);
		md_sessions_free(s);
		job_free(j);
	}
	world_free(w);
}

static void many_peers_are_swept_in_one_list_page_by_page(void **state)
{
	struct world *w = world_new();
	struct job *j = job_of(w, MD_EVENT_NARROWED, KIT_PEERS - 1);
	struct md_sessions *s;
	struct job_ask a;

	(void)state;
	assert_int_equal(md_sessions_new(0, &s), UB_OK);
	assert_int_equal(j->n_sweeps, 2);
	assert_true(job_next_ask(j, &a));
	assert_non_null(strstr(a.body, "\"acc\":\"BUS\""));
	assert_non_null(strstr(a.body, "\"offset\":0"));
	assert_true(job_next_ask(j, &a));
	assert_false(job_next_ask(j, &a));
	/* There is more: the next page is due. */
	sweep_answered(j, 0, s, page_of(&w->p[1], 5, "2026-11-23T00:00:00Z", 2));
	assert_true(job_next_ask(j, &a));
	assert_false(a.is_sweep);
	assert_true(job_next_ask(j, &a));
	assert_non_null(strstr(a.body, "\"offset\":1"));
	sweep_answered(j, 0, s, page_of(&w->p[2], 6, "2026-11-23T00:00:00Z", 2));
	assert_int_equal(j->n_targets, 2);
	assert_int_equal(j->sweeps[0].state, ASK_DONE);
	job_free(j);
	md_sessions_free(s);
	world_free(w);
}

static void without_servers_nothing_is_confirmed(void **state)
{
	struct world *w = world_new();
	struct job *j = job_new(&(struct md_event){
		.kind = MD_EVENT_REVOKED, .rev = 1, .who = &w->p[0].id, .n_who = 1});

	(void)state;
	assert_non_null(j);
	assert_int_equal(job_sweeps_plan(j, w->s, NULL, 0), UB_OK);
	assert_true(job_settled(j));
	assert_false(job_confirmed(j));
	assert_int_equal(job_sweeps_plan(j, w->s, SERVERS, 1), UB_OK);
	assert_int_equal(j->n_sweeps, 1);
	job_free(j);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_with_known_holes_are_unfit),
		cmocka_unit_test(times_read_as_go_writes_them),
		cmocka_unit_test(servers_are_complete_when_all_have_answered),
		cmocka_unit_test(a_server_too_old_or_off_the_clock_is_unfit),
		cmocka_unit_test(an_answer_that_is_none_is_ignored),
		cmocka_unit_test(a_pending_login_holds_everything_a_granted_one_its_rooms),
		cmocka_unit_test(a_login_granted_after_the_loss_is_not_one_that_held_it),
		cmocka_unit_test(a_job_asks_every_server_and_is_confirmed_by_all_answers),
		cmocka_unit_test(what_is_not_an_answer_confirms_nothing),
		cmocka_unit_test(
			a_server_that_nobody_answers_for_is_gone_only_if_all_others_are_known),
		cmocka_unit_test(a_sweep_takes_who_is_meant_and_what_held_the_room),
		cmocka_unit_test(many_peers_are_swept_in_one_list_page_by_page),
		cmocka_unit_test(without_servers_nothing_is_confirmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
