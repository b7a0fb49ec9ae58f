/* Every route by every caller: who may is decided by the table and the rooms' roles, and who may
 * not has changed nothing. And: the table and openapi.yaml list the same. */
#include "membershipd/http/api.h"
#include "tests/harness/rest.h"

static const int callers[] = {NOBODY, STRANGER, REVOKED, OTHER, READER, MEMBER, OWNER, ADMIN};
#define CALLERS UB_ARRAY_LEN(callers)

enum content {
	NONE,
	NEW_USER,
	OWN_KEYREC,
	GENESIS,
	ADD_USER,
	REMOVE_READER,
	LEAVE,
	PROMOTE_READER,
	NEW_EPOCH,
	TIGHTER,
	CLOSE,
	UPLOAD,
};

struct right {
	const char *method, *path; /* of the table */
	enum content content;
	unsigned status[CALLERS]; /* in the order of `callers` */
};

/* clang-format off */
static const struct right rights[] = {
	/* nobody, stranger, revoked; another room's, reader, member, owner; administrator */
	{"GET", "/healthz", NONE,                       {200, 200, 200, 200, 200, 200, 200, 200}},
	{"GET", "/server", NONE,                        {200, 401, 401, 200, 200, 200, 200, 200}},
	{"GET", "/users", NONE,                         {401, 401, 401, 403, 403, 403, 403, 200}},
	{"POST", "/users", NEW_USER,                    {401, 401, 401, 403, 403, 403, 403, 201}},
	{"POST", "/users/{sign_pub}/revoke", NONE,      {401, 401, 401, 403, 403, 403, 403, 200}},
	{"GET", "/peers", NONE,                         {401, 401, 401, 200, 200, 200, 200, 200}},
	{"GET", "/peers/{endpoint}", NONE,              {401, 401, 401, 200, 200, 200, 200, 200}},
	{"PUT", "/peers/{endpoint}", OWN_KEYREC,        {401, 401, 401, 403, 403, 403, 200, 403}},
	{"POST", "/rooms", GENESIS,                     {401, 401, 401, 201, 201, 201, 201, 201}},
	{"GET", "/rooms/{id}", NONE,                    {401, 401, 401, 403, 200, 200, 200, 403}},
	{"GET", "/rooms/{id}/members", NONE,            {401, 401, 401, 403, 200, 200, 200, 403}},
	{"GET", "/rooms/{id}/log", NONE,                {401, 401, 401, 403, 200, 200, 200, 403}},
	{"GET", "/rooms/{id}/key", NONE,                {401, 401, 401, 403, 200, 200, 200, 403}},
	{"GET", "/rooms/{id}/messages", NONE,           {401, 401, 401, 403, 409, 409, 409, 403}},
	{"POST", "/rooms/{id}/join", NONE,              {401, 401, 401, 403, 200, 200, 200, 403}},
	{"POST", "/rooms/{id}/invite", ADD_USER,        {401, 401, 401, 403, 403, 403, 200, 403}},
	{"POST", "/rooms/{id}/remove", REMOVE_READER,   {401, 401, 401, 403, 403, 403, 200, 403}},
	{"POST", "/rooms/{id}/leave", LEAVE,            {401, 401, 401, 403, 200, 200, 403, 403}},
	{"POST", "/rooms/{id}/role", PROMOTE_READER,    {401, 401, 401, 403, 403, 403, 200, 403}},
	{"POST", "/rooms/{id}/rekey", NEW_EPOCH,        {401, 401, 401, 403, 403, 403, 200, 403}},
	{"POST", "/rooms/{id}/policy", TIGHTER,         {401, 401, 401, 403, 403, 403, 200, 403}},
	{"POST", "/rooms/{id}/close", CLOSE,            {401, 401, 401, 403, 403, 403, 200, 403}},
	{"POST", "/blobs", UPLOAD,                      {401, 401, 401, 403, 403, 201, 201, 403}},
	{"GET", "/blobs/{hash}", NONE,                  {401, 401, 401, 404, 200, 200, 200, 404}},
	{"GET", "/members/{endpoint}/rooms", NONE,      {401, 401, 401, 403, 403, 403, 200, 200}},
};
/* clang-format on */

static char *body_of(struct rest *t, enum content content, int who)
{
	int by = who == NOBODY ? OWNER : who;
	const struct kit_peer *p = t->w->p;
	const struct ub_op remove[] = {op_remove(&p[READER]), op_epoch(t->room.epoch + 1, true)};
	const struct ub_op epoch = op_epoch(t->room.epoch + 1, true);
	const struct ub_op add = op_add(&p[USER], UB_ROLE_MEMBER);
	const struct ub_op role = op_role(&p[READER], UB_ROLE_MEMBER);
	const struct ub_op leave = op_bare(UB_OP_LEAVE), close = op_bare(UB_OP_CLOSE);
	const struct ub_op tighter = op_policy(true, true);
	struct kit_text genesis;
	char *z, hex[65];

	switch (content) {
	case NONE:
		return NULL;
	case NEW_USER:
		ub_hex_encode(p[STRANGER].sign.b, 32, hex);
		z = malloc(200);
		snprintf(z, 200, "{\"sign_pub\":\"%s\",\"handle\":\"newcomer\"}", hex);
		return z;
	case OWN_KEYREC:
		return rest_keyrec(t, by, 9);
	case GENESIS:
		genesis = kit_genesis(&p[by], "room.new", ENCRYPTED);
		z = rest_change(&genesis);
		kit_text_deinit(&genesis);
		return z;
	case ADD_USER:
		return rest_entry(t, &t->room, by, &add, 1);
	case REMOVE_READER:
		return rest_entry(t, &t->room, by, remove, 2);
	case LEAVE:
		return rest_entry(t, &t->room, by, &leave, 1);
	case PROMOTE_READER:
		return rest_entry(t, &t->room, by, &role, 1);
	case NEW_EPOCH:
		return rest_entry(t, &t->room, by, &epoch, 1);
	case TIGHTER:
		return rest_entry(t, &t->room, by, &tighter, 1);
	case CLOSE:
		return rest_entry(t, &t->room, by, &close, 1);
	case UPLOAD:
		return ub_str_dup(UB_STR("some bytes"));
	}
	return NULL;
}

/* The path with its {...} filled in: the room, its owner, a user's key. */
static void target_of(struct rest *t, const struct right *r, char to[256])
{
	char id[UB_ID_TEXT + 1], room[UB_ID_TEXT + 1], hex[65];
	const char *open = strchr(r->path, '{'), *shut = strchr(r->path, '}'), *what = "";

	ub_endpoint_encode(&t->w->p[OWNER].id, id);
	ub_room_id_encode(&t->room.id, room);
	ub_hex_encode(t->w->p[USER].sign.b, 32, hex);
	if (strcmp(r->path, "/blobs") == 0) {
		snprintf(to, 256, "/blobs?room=%s", room);
		return;
	}
	if (!open) {
		snprintf(to, 256, "%s%s", r->path,
			strcmp(r->path, "/peers") == 0 ? "?handle=p1" : "");
		return;
	}
	if (strncmp(open, "{id}", 4) == 0)
		what = room;
	else if (strncmp(open, "{endpoint}", 10) == 0)
		what = id;
	else if (strncmp(open, "{hash}", 6) == 0)
		what = rest_blob("", REST_BLOB);
	else
		what = hex;
	snprintf(to, 256, "%.*s%s%s", (int)(open - r->path), r->path, what, shut + 1);
}

static void try(const struct right *r, size_t i)
{
	struct rest *t = rest_new(NULL);
	char target[256], *body = body_of(t, r->content, callers[i]);
	uint64_t before = md_store_revision(t->w->store);
	struct rest_reply reply;
	struct rest_call call;
	bool changed;

	target_of(t, r, target);
	t->health.status = MD_HEALTH_OK;
	call = (struct rest_call){.method = r->method,
		.target = target,
		.body = body,
		.by = callers[i],
		.announce = r->content == UPLOAD ? body : NULL};
	rest_send(t, &call, &reply);
	if (reply.status != r->status[i])
		fail_msg("%s %s by caller %zu: %u instead of %u: %s", r->method, r->path, i,
			reply.status, r->status[i], reply.raw.body);
	changed = md_store_revision(t->w->store) != before;
	if (reply.status >= 400 && changed)
		fail_msg("%s %s by caller %zu was refused and yet changed something", r->method,
			r->path, i);
	if (reply.status >= 400) {
		assert_true(reply.code[0] != 0);
		assert_non_null(json_string_value(json_object_get(reply.json, "error")));
	}
	rest_reply_deinit(&reply);
	free(body);
	rest_free(t);
}

static void every_route_answers_every_caller_as_it_should(void **state)
{
	(void)state;
	for (size_t k = 0; k < UB_ARRAY_LEN(rights); k++)
		for (size_t i = 0; i < CALLERS; i++)
			try(&rights[k], i);
}

static void every_row_has_a_decision_and_a_test(void **state)
{
	(void)state;
	for (size_t k = 0; k < md_routes_n; k++) {
		bool tried = false;

		assert_int_not_equal(md_routes[k].access, MD_ACCESS_UNSET);
		assert_non_null(md_routes[k].handler);
		for (size_t i = 0; i < UB_ARRAY_LEN(rights); i++)
			tried = tried || (strcmp(rights[i].method, md_routes[k].method) == 0 &&
						 strcmp(rights[i].path, md_routes[k].path) == 0);
		if (!tried)
			fail_msg(
				"%s %s is tried by nobody", md_routes[k].method, md_routes[k].path);
		for (size_t i = 0; i < k; i++)
			if (strcmp(md_routes[i].method, md_routes[k].method) == 0)
				assert_string_not_equal(md_routes[i].path, md_routes[k].path);
	}
	assert_int_equal(md_routes_n, UB_ARRAY_LEN(rights));
}

/* Paths begin at two spaces, their methods at four. */
static void openapi_lists_exactly_the_rows_of_the_table(void **state)
{
	char line[512], path[256] = "", method[16];
	bool in_paths = false, found[MD_ROUTES_MAX] = {false};
	FILE *f = fopen("membershipd/openapi.yaml", "r");
	size_t n = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] != ' ' && line[0] != '#' && line[0] != '\n')
			in_paths = strncmp(line, "paths:", 6) == 0;
		if (!in_paths)
			continue;
		if (strncmp(line, "  /", 3) == 0)
			snprintf(path, sizeof(path), "%.*s", (int)strcspn(line + 2, ":"), line + 2);
		if (strncmp(line, "    ", 4) != 0 || line[4] == ' ')
			continue;
		snprintf(method, sizeof(method), "%.*s", (int)strcspn(line + 4, ":"), line + 4);
		if (strcmp(method, "parameters") == 0)
			continue;
		n++;
		for (size_t k = 0; k < md_routes_n; k++)
			if (strcasecmp(method, md_routes[k].method) == 0 &&
				strcmp(path, md_routes[k].path) == 0)
				found[k] = true;
	}
	fclose(f);
	for (size_t k = 0; k < md_routes_n; k++)
		if (!found[k])
			fail_msg(
				"openapi.yaml lacks %s %s", md_routes[k].method, md_routes[k].path);
	assert_int_equal(n, md_routes_n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_a_decision_and_a_test),
		cmocka_unit_test(openapi_lists_exactly_the_rows_of_the_table),
		cmocka_unit_test(every_route_answers_every_caller_as_it_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
