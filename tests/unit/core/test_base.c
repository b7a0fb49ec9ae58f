/* Views, owned locals, wiping, roles. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/core/vectors.h"

#include "core/base.h"

static void views_compare_by_bytes(void **state)
{
	struct ub_str none = ub_str(NULL);

	(void)state;
	assert_null(none.p);
	assert_int_equal(none.len, 0);
	assert_true(ub_str_eq(none, ub_str("")));
	assert_true(ub_str_eq(UB_STR("abc"), ub_str("abc")));
	assert_false(ub_str_eq(UB_STR("abc"), ub_str("abd")));
	assert_false(ub_str_eq(UB_STR("abc"), ub_str("ab")));
	assert_true(ub_str_eqz((struct ub_str){"abcdef", 3}, "abc"));
	assert_false(ub_str_eqz((struct ub_str){"abc\0", 4}, "abc"));
	assert_true(ub_str_eqz(none, NULL));
	assert_int_equal(UB_STR("a\0b").len, 3);
}

static void a_copy_is_terminated_and_exact(void **state)
{
	UB_CLEANUP(ub_freep) char *copy = ub_str_dup((struct ub_str){"abcdef", 3});
	UB_CLEANUP(ub_freep) char *empty = ub_str_dup(ub_str(NULL));

	(void)state;
	assert_string_equal(copy, "abc");
	assert_string_equal(empty, "");
	assert_null(ub_str_dup((struct ub_str){"", SIZE_MAX}));
}

static void count_up(int **p)
{
	++**p;
}

static void count_free(int *p)
{
	++*p;
}
UB_DEFINE_CLEANUP(int *, count_free)

static void an_owned_local_is_released_unless_taken(void **state)
{
	int released = 0, freed = 0;
	int *moved;

	(void)state;
	{
		UB_CLEANUP(count_up) int *p = &released;
		UB_CLEANUP(count_freep) int *kept = &freed;
		UB_CLEANUP(count_freep) int *given = &freed;

		assert_ptr_equal(p, &released);
		assert_ptr_equal(kept, &freed);
		moved = UB_TAKE(given);
		assert_null(given);
	}
	assert_ptr_equal(moved, &freed);
	assert_int_equal(released, 1);
	assert_int_equal(freed, 1);
}

static void secrets_are_wiped(void **state)
{
	struct ub_signkey sign;
	struct ub_kexsec kex;
	struct ub_symkey sym;
	const struct ub_signkey no_sign = {0};
	const struct ub_kexsec no_kex = {0};
	const struct ub_symkey no_sym = {0};

	(void)state;
	memset(&sign, 0xaa, sizeof(sign));
	memset(&kex, 0xaa, sizeof(kex));
	memset(&sym, 0xaa, sizeof(sym));
	ub_signkey_wipe(&sign);
	ub_kexsec_wipe(&kex);
	ub_symkey_wipe(&sym);
	assert_memory_equal(&sign, &no_sign, sizeof(sign));
	assert_memory_equal(&kex, &no_kex, sizeof(kex));
	assert_memory_equal(&sym, &no_sym, sizeof(sym));
}

static void roles_have_one_name_each(void **state)
{
	const enum ub_role roles[] = {UB_ROLE_READER, UB_ROLE_MEMBER, UB_ROLE_ADMIN, UB_ROLE_OWNER};
	const char *const bad[] = {"", "none", "Reader", "readers", "reade", "owner ", "root"};
	enum ub_role role = UB_ROLE_ADMIN;

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(roles); i++) {
		assert_int_equal(ub_role_parse(ub_str(ub_role_name(roles[i])), &role), UB_OK);
		assert_int_equal(role, roles[i]);
		assert_int_equal((int)role, (int)i + 1);
	}
	role = UB_ROLE_ADMIN;
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		assert_int_equal(ub_role_parse(ub_str(bad[i]), &role), UNIBUS_ERR_INVALID);
		assert_int_equal(role, UB_ROLE_ADMIN);
	}
	assert_string_equal(ub_role_name(UB_ROLE_NONE), "none");
	assert_string_equal(ub_role_name((enum ub_role)5), "none");
	assert_string_equal(ub_role_name((enum ub_role) - 1), "none");
}

/* What became of a process that asserts `holds`. */
static int end_of(bool holds)
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		signal(SIGABRT, SIG_DFL);
		ub_assert(holds);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void a_bug_aborts_and_a_truth_does_not(void **state)
{
	int status = end_of(false);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_int_equal(end_of(true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_compare_by_bytes),
		cmocka_unit_test(a_copy_is_terminated_and_exact),
		cmocka_unit_test(an_owned_local_is_released_unless_taken),
		cmocka_unit_test(secrets_are_wiped),
		cmocka_unit_test(roles_have_one_name_each),
		cmocka_unit_test(a_bug_aborts_and_a_truth_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
