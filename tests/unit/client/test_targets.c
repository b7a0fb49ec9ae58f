/* Who may edit and redact what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/targets.h"

static const struct ub_endpoint alice = {{1}}, bob = {{2}};

static struct ub_ref ref_of(uint32_t n)
{
	struct ub_ref ref = {{0}};

	memcpy(ref.b, &n, sizeof(n));
	return ref;
}

static void each_kind_is_judged_by_target_and_role(void **state)
{
	static const struct {
		const char *name;
		enum ub_kind kind;
		uint32_t target; /* 1 is Alice's; 2 was never seen */
		const struct ub_endpoint *by;
		enum ub_role role;
		enum ub_permit want;
	} cases[] = {
		{"her own edit", UB_KIND_EDIT, 1, &alice, UB_ROLE_MEMBER, UB_PERMIT_YES},
		{"another's edit", UB_KIND_EDIT, 1, &bob, UB_ROLE_MEMBER, UB_PERMIT_NO},
		{"an admin's edit", UB_KIND_EDIT, 1, &bob, UB_ROLE_ADMIN, UB_PERMIT_NO},
		{"the owner's edit", UB_KIND_EDIT, 1, &bob, UB_ROLE_OWNER, UB_PERMIT_NO},
		{"an edit of what?", UB_KIND_EDIT, 2, &alice, UB_ROLE_OWNER, UB_PERMIT_UNKNOWN},
		{"her own redaction", UB_KIND_REDACT, 1, &alice, UB_ROLE_MEMBER, UB_PERMIT_YES},
		{"another's redaction", UB_KIND_REDACT, 1, &bob, UB_ROLE_MEMBER, UB_PERMIT_NO},
		{"an admin's redaction", UB_KIND_REDACT, 1, &bob, UB_ROLE_ADMIN, UB_PERMIT_YES},
		{"a redaction of what?", UB_KIND_REDACT, 2, &bob, UB_ROLE_MEMBER,
			UB_PERMIT_UNKNOWN},
		{"an admin's, of what?", UB_KIND_REDACT, 2, &bob, UB_ROLE_ADMIN, UB_PERMIT_YES},
		{"a reaction", UB_KIND_REACT, 1, &bob, UB_ROLE_MEMBER, UB_PERMIT_YES},
		{"a reaction to what?", UB_KIND_REACT, 2, &bob, UB_ROLE_MEMBER, UB_PERMIT_YES},
		{"a response", UB_KIND_RESPONSE, 1, &bob, UB_ROLE_MEMBER, UB_PERMIT_YES},
	};
	struct ub_targets t = {0};
	struct ub_ref first = ref_of(1);

	(void)state;
	ub_targets_note(&t, &first, &alice);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct ub_frame_header h = {
			.kind = (uint8_t)cases[i].kind, .reply = ref_of(cases[i].target)};

		if (ub_targets_judge(&t, &h, cases[i].by, cases[i].role) != cases[i].want)
			fail_msg("%s", cases[i].name);
	}
	ub_targets_deinit(&t);
}

static void who_was_first_under_a_name_stays(void **state)
{
	struct ub_frame_header h = {.kind = UB_KIND_EDIT, .reply = ref_of(1)};
	struct ub_targets t = {0};

	(void)state;
	ub_targets_note(&t, &h.reply, &alice);
	ub_targets_note(&t, &h.reply, &bob);
	assert_int_equal(UB_PERMIT_YES, ub_targets_judge(&t, &h, &alice, UB_ROLE_MEMBER));
	assert_int_equal(UB_PERMIT_NO, ub_targets_judge(&t, &h, &bob, UB_ROLE_MEMBER));
	ub_targets_deinit(&t);
}

static void the_oldest_are_forgotten(void **state)
{
	struct ub_frame_header h = {.kind = UB_KIND_EDIT};
	struct ub_targets t = {0};

	(void)state;
	for (uint32_t i = 0; i <= UB_TARGETS_MAX; i++) {
		struct ub_ref ref = ref_of(i);

		ub_targets_note(&t, &ref, &alice);
	}
	assert_int_equal(UB_TARGETS_MAX, HASH_COUNT(t.head));
	h.reply = ref_of(0);
	assert_int_equal(UB_PERMIT_UNKNOWN, ub_targets_judge(&t, &h, &alice, UB_ROLE_MEMBER));
	h.reply = ref_of(1);
	assert_int_equal(UB_PERMIT_YES, ub_targets_judge(&t, &h, &alice, UB_ROLE_MEMBER));
	h.reply = ref_of(UB_TARGETS_MAX);
	assert_int_equal(UB_PERMIT_YES, ub_targets_judge(&t, &h, &alice, UB_ROLE_MEMBER));
	ub_targets_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_judged_by_target_and_role),
		cmocka_unit_test(who_was_first_under_a_name_stays),
		cmocka_unit_test(the_oldest_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
