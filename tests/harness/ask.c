#include "tests/harness/ask.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/json.h"

#define ANSWER_MAX (8 * 1024 * 1024)

void answer_deinit(struct answer *a)
{
	json_decref(a->json);
	ub_buf_deinit(&a->body);
	*a = (struct answer){0};
}

void ask(const struct call *c, struct answer *ret)
{
	struct answer a = {.body = UB_BUF(ANSWER_MAX)};
	const char *code;

	a.status = call_rest(c, &a.body);
	assert_non_null(ub_buf_cstr(&a.body));
	if (ub_json_parse_foreign(ub_buf_text(&a.body), &a.json) == UB_OK && a.status >= 300) {
		code = json_string_value(json_object_get(a.json, "code"));
		(void)snprintf(a.code, sizeof(a.code), "%s", code ? code : "");
	}
	*ret = a;
}

json_t *ask_want(const struct call *c, int status, const char *code)
{
	struct answer a;
	json_t *json;

	ask(c, &a);
	if (a.status != status || strcmp(a.code, code) != 0)
		fail_msg("%s %s: %d \"%s\" instead of %d \"%s\"\n%s", c->method, c->target,
			a.status, a.code, status, code, ub_buf_cstr(&a.body));
	json = json_incref(a.json);
	answer_deinit(&a);
	return json;
}

void ask_expect(const struct call *c, int status, const char *code)
{
	json_decref(ask_want(c, status, code));
}
