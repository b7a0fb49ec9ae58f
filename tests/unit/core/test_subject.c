/* Subjects, handles, and the subjects on the wire. */
#include "tests/unit/core/vectors.h"

#include "core/key.h"
#include "core/subject.h"

#define FILE_NAME "tests/vectors/subject.json"

/* Judged from an allocation of just its size. */
static ub_err judge(ub_err (*check)(struct ub_str), const char *text, size_t len)
{
	char *exact = malloc(len ? len : 1);
	ub_err err;

	assert_non_null(exact);
	memcpy(exact, text, len);
	err = check((struct ub_str){exact, len});
	free(exact);
	return err;
}

static void judge_list(
	const char *kind, const char *list, ub_err (*check)(struct ub_str), ub_err want)
{
	json_t *v = vec_load(FILE_NAME), *row;
	json_t *rows = json_object_get(json_object_get(v, kind), list);
	size_t i;

	assert_true(json_array_size(rows) > 0);
	json_array_foreach (rows, i, row) {
		const char *text = json_string_value(row);

		if (judge(check, text, strlen(text)) != want)
			fail_msg("%s %s: %s", list, kind, text);
	}
	json_decref(v);
}

static void subjects_are_literal_tokens(void **state)
{
	(void)state;
	judge_list("subjects", "good", ub_subject_check, UB_OK);
	judge_list("subjects", "bad", ub_subject_check, UNIBUS_ERR_INVALID);
}

static void handles_are_plain_names(void **state)
{
	(void)state;
	judge_list("handles", "good", ub_handle_check, UB_OK);
	judge_list("handles", "bad", ub_handle_check, UNIBUS_ERR_INVALID);
}

static void every_byte_is_judged_in_every_place(void **state)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_-";
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 3; at++) {
			char text[3] = {'a', 'b', 'c'};
			bool known = c && strchr(token, (int)c);
			bool dot = c == '.' && at == 1;
			bool plain = c && strchr(first, (int)c);
			bool inner = c && at && strchr("._-", (int)c);

			text[at] = (char)c;
			assert_int_equal(judge(ub_subject_check, text, 3),
				known || dot ? UB_OK : UNIBUS_ERR_INVALID);
			assert_int_equal(judge(ub_handle_check, text, 3),
				plain || inner ? UB_OK : UNIBUS_ERR_INVALID);
		}
}

struct row {
	struct ub_room_id room;
	struct ub_endpoint endpoint;
	unsigned shards, shard;
};

static void row_read(const json_t *v, struct row *ret)
{
	assert_true(vec_hex(v, "room", ret->room.b, 32));
	assert_true(vec_hex(v, "endpoint", ret->endpoint.b, 32));
	ret->shards = (unsigned)vec_u64(v, "shards");
	ret->shard = (unsigned)vec_u64(v, "shard");
}

static void wire_subjects_are_those_of_the_vectors(void **state)
{
	json_t *v = vec_load(FILE_NAME), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "wire"), i, row) {
		struct ub_wire w;
		struct row r;

		row_read(row, &r);
		assert_int_equal(ub_wire_shard(&r.room, r.shards), r.shard);
		ub_wire_notify(&r.endpoint, &w);
		assert_string_equal(w.z, vec_text(row, "notify"));
		ub_wire_publish(&r.room, &r.endpoint, &w);
		assert_string_equal(w.z, vec_text(row, "publish"));
		ub_wire_publish_log(r.shard, &r.room, &r.endpoint, &w);
		assert_string_equal(w.z, vec_text(row, "publish_log"));
		ub_wire_subscribe(&r.room, &w);
		assert_string_equal(w.z, vec_text(row, "subscribe"));
	}
	assert_true(i > 0);
	json_decref(v);
}

static void the_sender_is_read_from_the_rooms_own_subjects(void **state)
{
	static const char *const kinds[] = {"publish", "publish_log", "live"};
	json_t *v = vec_load(FILE_NAME), *row;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(v, "wire"), i, row) {
		struct row r;

		row_read(row, &r);
		for (size_t k = 0; k < UB_ARRAY_LEN(kinds); k++) {
			struct ub_str subject = ub_str(vec_text(row, kinds[k])), sender;

			assert_int_equal(ub_wire_sender(subject, &r.room, &sender), UB_OK);
			assert_true(ub_str_eqz(sender, vec_text(row, "sender")));
			assert_int_equal(sender.len, UB_WIRE_TOKEN);
			assert_ptr_equal(sender.p, subject.p + subject.len - UB_WIRE_TOKEN);
			/* Another room, differing in its first bit only. */
			r.room.b[0] ^= 0x80;
			assert_int_equal(
				ub_wire_sender(subject, &r.room, &sender), UNIBUS_ERR_CORRUPT);
			r.room.b[0] ^= 0x80;
		}
	}
	json_decref(v);
}

#define R "AAAAAAAAAAAAAAAAAAAAAA"
#define E "eeeeeeeeeeeeeeeeeeeeee"

static void other_subjects_name_no_sender(void **state)
{
	static const struct {
		const char *text;
		ub_err err;
	} cases[] = {
		{"unibus.room." R "." E, UB_OK},
		{"unibus.log0." R "." E, UB_OK},
		{"unibus.log255." R "." E, UB_OK},
		{"unibus.live7." R "." E, UB_OK},
		{"", UNIBUS_ERR_CORRUPT},
		{"unibus", UNIBUS_ERR_CORRUPT},
		{"unibus.room." R, UNIBUS_ERR_CORRUPT},
		{"unibus.room." R ".", UNIBUS_ERR_CORRUPT},
		{"unibus.room." R "." E ".", UNIBUS_ERR_CORRUPT},
		{"unibus.room." R "." E ".x", UNIBUS_ERR_CORRUPT},
		{"unibus.room." R "." E "e", UNIBUS_ERR_CORRUPT},
		{"unibus.room." R ".eeeeeeeeeeeeeeeeeeeee", UNIBUS_ERR_CORRUPT},
		{"unibus.room." R ".eeeeeeeeeeeeeeeeeeeee*", UNIBUS_ERR_CORRUPT},
		{"unibus.room." R "A." E, UNIBUS_ERR_CORRUPT},
		{"unibus.room.BAAAAAAAAAAAAAAAAAAAAA." E, UNIBUS_ERR_CORRUPT},
		{"unibus.room..." E, UNIBUS_ERR_CORRUPT},
		{".room." R "." E, UNIBUS_ERR_CORRUPT},
		{"Unibus.room." R "." E, UNIBUS_ERR_CORRUPT},
		{"unibus.rooms." R "." E, UNIBUS_ERR_CORRUPT},
		{"unibus.notify." R "." E, UNIBUS_ERR_CORRUPT},
		{"unibus.log." R "." E, UNIBUS_ERR_CORRUPT},
		{"unibus.live." R "." E, UNIBUS_ERR_CORRUPT},
		{"unibus.log00." R "." E, UNIBUS_ERR_CORRUPT},
		{"unibus.log256." R "." E, UNIBUS_ERR_CORRUPT},
		{"unibus.log-1." R "." E, UNIBUS_ERR_CORRUPT},
		{"unibus.logs0." R "." E, UNIBUS_ERR_CORRUPT},
	};
	const struct ub_room_id room = {{0}};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct ub_str sender = {NULL, 77};

		if (ub_wire_sender(ub_str(cases[i].text), &room, &sender) != cases[i].err)
			fail_msg("%s", cases[i].text);
		if (cases[i].err)
			assert_int_equal(sender.len, 77);
		else
			assert_true(ub_str_eqz(sender, E));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects_are_literal_tokens),
		cmocka_unit_test(handles_are_plain_names),
		cmocka_unit_test(every_byte_is_judged_in_every_place),
		cmocka_unit_test(wire_subjects_are_those_of_the_vectors),
		cmocka_unit_test(the_sender_is_read_from_the_rooms_own_subjects),
		cmocka_unit_test(other_subjects_name_no_sender),
	};

	return ub_core_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
