#include "support/options.h"

#include "core/num.h"

#include <unistd.h>

#define ROWS_MAX 64 /* of a table: one bit each in parse.seen */
#define HELP_COLUMN 34

struct parse {
	const struct opt_row *rows;
	const struct opt_args *in;
	char *to;
	uint64_t seen;
};

/* Where a value came from, for messages. */
struct source {
	const struct opt_row *row;
	const char *name; /* "--port", "UNIBUS_PORT" */
	const char *prog;
};

void opt_list_deinit(struct opt_list *l)
{
	for (size_t i = 0; i < OPT_LIST_MAX; i++)
		free(l->owned[i]);
	*l = (struct opt_list){0};
}

/* Foreign text on its way to a terminal: cut, and without anything that the terminal acts on. */
static const char *shown(const char *z, char *to, size_t cap)
{
	size_t n = 0;

	for (; z[n] && n + 1 < cap; n++)
		to[n] = z[n] >= ' ' && z[n] < 0x7f ? z[n] : '?';
	to[n] = '\0';
	return to;
}

static ub_err complain(const char *prog, const char *name, const char *what, const char *value)
{
	char n[72], v[72];

	(void)fprintf(stderr, "%s: %s %s", prog, shown(name, n, sizeof(n)), what);
	if (value)
		(void)fprintf(stderr, ", not '%s'", shown(value, v, sizeof(v)));
	(void)fprintf(stderr, "\n");
	return UNIBUS_ERR_INVALID;
}

static ub_err bad_value(const struct source *src, const char *what, const char *value)
{
	return complain(src->prog, src->name, what, value);
}

static ub_err set_flag(const struct source *src, void *field, const char *z)
{
	bool v = !strcmp(z, "1") || !strcmp(z, "true");

	if (!v && strcmp(z, "0") && strcmp(z, "false"))
		return bad_value(src, "is 1 or 0", z);
	memcpy(field, &v, sizeof(v));
	return UB_OK;
}

static ub_err set_number(const struct source *src, void *field, const char *z)
{
	const struct opt_row *row = src->row;
	uint64_t max = row->max ? row->max : UINT64_MAX, v;
	char what[96];

	if (!ub_num_u64(ub_str(z), row->min, max, &v)) {
		memcpy(field, &v, sizeof(v));
		return UB_OK;
	}
	(void)snprintf(what, sizeof(what), "takes a number from %llu to %llu",
		(unsigned long long)row->min, (unsigned long long)max);
	return bad_value(src, what, z);
}

/* In the largest unit that it is a multiple of. */
static void duration_words(uint64_t ms, char to[32])
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	size_t i = 0;

	while (ms % units[i].ms != 0 || ms < units[i].ms)
		if (++i == UB_ARRAY_LEN(units) - 1)
			break;
	(void)snprintf(to, 32, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].unit);
}

static ub_err set_duration(const struct source *src, void *field, const char *z)
{
	const struct opt_row *row = src->row;
	uint64_t v;
	char what[128], min[32], max[32];

	if (ub_num_duration_ms(ub_str(z), &v))
		return bad_value(src, "takes a time such as 90s, 15m, 12h or 7d", z);
	if (v < row->min || (row->max && v > row->max)) {
		duration_words(row->min, min);
		duration_words(row->max ? row->max : UINT64_MAX, max);
		(void)snprintf(what, sizeof(what), "takes a time from %s to %s", min, max);
		return bad_value(src, what, z);
	}
	memcpy(field, &v, sizeof(v));
	return UB_OK;
}

static void choice_names(const struct opt_row *row, char *to, size_t cap)
{
	size_t n = 0;

	to[0] = '\0';
	for (size_t i = 0; row->choices[i] && n < cap; i++)
		n += (size_t)snprintf(to + n, cap - n, "%s%s", i ? "|" : "", row->choices[i]);
}

static ub_err set_choice(const struct source *src, void *field, const char *z)
{
	char names[128], what[160];

	for (int i = 0; src->row->choices[i]; i++) {
		if (!strcmp(src->row->choices[i], z)) {
			memcpy(field, &i, sizeof(i));
			return UB_OK;
		}
	}
	choice_names(src->row, names, sizeof(names));
	(void)snprintf(what, sizeof(what), "takes one of %s", names);
	return bad_value(src, what, z);
}

static ub_err add_to_list(const struct source *src, void *field, const char *z)
{
	struct opt_list l;
	ub_err e = UB_OK;

	memcpy(&l, field, sizeof(l));
	for (const char *at = z; !e;) {
		size_t len = strcspn(at, ",");

		if (len == 0) {
			e = bad_value(src, "has an empty item in its list", NULL);
		} else if (l.n == OPT_LIST_MAX) {
			e = bad_value(src, "has too many items in its list", NULL);
		} else {
			l.owned[l.n] = ub_str_dup((struct ub_str){at, len});
			l.v[l.n] = l.owned[l.n];
			e = l.owned[l.n] ? UB_OK : UNIBUS_ERR_NOMEM;
			l.n += !e;
		}
		if (!at[len])
			break;
		at += len + 1;
	}
	memcpy(field, &l, sizeof(l));
	return e;
}

static ub_err set_value(const struct source *src, void *field, const char *z)
{
	if (!*z)
		return bad_value(src, "must not be empty", NULL);
	switch (src->row->type) {
	case OPT_FLAG:
		return set_flag(src, field, z);
	case OPT_TEXT:
		memcpy(field, &z, sizeof(z));
		return UB_OK;
	case OPT_NUMBER:
		return set_number(src, field, z);
	case OPT_DURATION_MS:
		return set_duration(src, field, z);
	case OPT_CHOICE:
		return set_choice(src, field, z);
	case OPT_LIST:
		return add_to_list(src, field, z);
	}
	ub_assert_failed("a row has a type", __FILE__, __LINE__);
}

static size_t field_size(enum opt_type type)
{
	switch (type) {
	case OPT_FLAG:
		return sizeof(bool);
	case OPT_TEXT:
		return sizeof(const char *);
	case OPT_NUMBER:
	case OPT_DURATION_MS:
		return sizeof(uint64_t);
	case OPT_CHOICE:
		return sizeof(int);
	case OPT_LIST:
		return sizeof(struct opt_list);
	}
	ub_assert_failed("a row has a type", __FILE__, __LINE__);
}

/* One option at argv[*i]; takes the next argument too when it is the value. */
static ub_err take_option(struct parse *p, int *i)
{
	const char *arg = p->in->argv[*i], *name = arg + 2;
	const char *eq = strchr(name, '='), *value = eq ? eq + 1 : NULL;
	size_t len = eq ? (size_t)(eq - name) : strlen(name), r = 0;
	char dashed[64];

	while (p->rows[r].name && !ub_str_eqz((struct ub_str){name, len}, p->rows[r].name))
		r++;
	const struct opt_row *row = &p->rows[r];
	if (!row->name)
		return complain(p->in->prog, arg, "is not an option; --help lists them", NULL);
	(void)snprintf(dashed, sizeof(dashed), "--%s", row->name);
	struct source src = {.row = row, .name = dashed, .prog = p->in->prog};

	if (row->type != OPT_LIST && p->seen & (UINT64_C(1) << r))
		return bad_value(&src, "is given twice", NULL);
	p->seen |= UINT64_C(1) << r;
	if (row->type == OPT_FLAG) {
		if (value)
			return bad_value(&src, "takes no value", NULL);
		return set_flag(&src, p->to + row->offset, "1");
	}
	if (!value) {
		/* "--a --b" is a forgotten value far more often than a value that looks so. */
		if (*i + 1 >= p->in->argc || !strncmp(p->in->argv[*i + 1], "--", 2))
			return bad_value(&src, "needs a value", NULL);
		value = p->in->argv[++*i];
	}
	return set_value(&src, p->to + row->offset, value);
}

static ub_err take_arguments(struct parse *p, const char **operands, size_t max, size_t *ret_n)
{
	bool options = true;
	size_t n = 0;

	for (int i = 0; i < p->in->argc; i++) {
		const char *arg = p->in->argv[i];
		ub_err e = UB_OK;

		if (options && !strcmp(arg, "--")) {
			options = false;
		} else if (options && (!strcmp(arg, "-h") || !strcmp(arg, "--help"))) {
			return UNIBUS_ERR_CANCELLED;
		} else if (options && !strncmp(arg, "--", 2)) {
			e = take_option(p, &i);
		} else if (options && arg[0] == '-' && arg[1]) {
			e = complain(p->in->prog, arg, "is not an option; --help lists them", NULL);
		} else if (n == max) {
			e = complain(p->in->prog, arg, "is one argument too many", NULL);
		} else {
			operands[n++] = arg;
		}
		if (e)
			return e;
	}
	*ret_n = n;
	return UB_OK;
}

static ub_err take_the_rest(struct parse *p)
{
	for (size_t r = 0; p->rows[r].name; r++) {
		const struct opt_row *row = &p->rows[r];
		const char *env = row->env ? getenv(row->env) : NULL;
		struct source src = {.row = row, .name = row->env, .prog = p->in->prog};
		ub_err e = UB_OK;

		if (p->seen & (UINT64_C(1) << r))
			continue;
		if (env && *env) {
			e = set_value(&src, p->to + row->offset, env);
		} else if (row->dflt) {
			src.name = row->name;
			e = set_value(&src, p->to + row->offset, row->dflt);
			ub_assert(e != UNIBUS_ERR_INVALID);
		}
		if (e)
			return e;
	}
	return UB_OK;
}

static void clear_fields(const struct opt_row *rows, char *to, bool free_lists)
{
	for (; rows->name; rows++) {
		struct opt_list l;

		if (free_lists && rows->type == OPT_LIST) {
			memcpy(&l, to + rows->offset, sizeof(l));
			opt_list_deinit(&l);
		}
		memset(to + rows->offset, 0, field_size(rows->type));
	}
}

ub_err options_parse(const struct opt_row *rows, const struct opt_args *in, void *to,
	const char **operands, size_t max_operands, size_t *ret_n)
{
	struct parse p = {.rows = rows, .in = in, .to = to};
	size_t n_rows = 0, n = 0;
	ub_err e;

	while (rows[n_rows].name)
		n_rows++;
	ub_assert(n_rows <= ROWS_MAX);
	clear_fields(rows, to, false);
	e = take_arguments(&p, operands, max_operands, &n);
	if (!e)
		e = take_the_rest(&p);
	if (e)
		clear_fields(rows, to, true);
	else
		*ret_n = n;
	return e;
}

void options_help(const struct opt_row *rows)
{
	for (; rows->name; rows++) {
		char left[128], names[96] = "";
		const char *value = rows->value ? rows->value : "";
		const char *open = " (";

		if (rows->type == OPT_CHOICE && !rows->value) {
			choice_names(rows, names, sizeof(names));
			value = names;
		}
		(void)snprintf(left, sizeof(left), "  --%s%s%s", rows->name,
			rows->type == OPT_FLAG ? "" : " ", rows->type == OPT_FLAG ? "" : value);
		if (strlen(left) + 2 > HELP_COLUMN)
			printf("%s\n%*s", left, HELP_COLUMN, "");
		else
			printf("%-*s", HELP_COLUMN, left);
		printf("%s", rows->help);
		if (rows->dflt) {
			printf("%sdefault %s", open, rows->dflt);
			open = "; ";
		}
		if (rows->env) {
			printf("%s%s", open, rows->env);
			open = "; ";
		}
		printf("%s\n", *open == ';' ? ")" : "");
	}
}

static bool has_env(const struct opt_row *rows, struct ub_str name)
{
	for (; rows->name; rows++) {
		if (rows->env && ub_str_eqz(name, rows->env))
			return true;
	}
	return false;
}

void options_unknown_env(const struct opt_row *const *tables, size_t n_tables, const char *prefix,
	void (*fn)(void *arg, const char *name), void *arg)
{
	for (char *const *at = environ; at && *at; at++) {
		struct ub_str name = {*at, strcspn(*at, "=")};
		bool known = strncmp(*at, prefix, strlen(prefix)) != 0;
		char text[256]; /* a longer name is shown cut; it is unknown all the same */

		for (size_t i = 0; i < n_tables && !known; i++)
			known = has_env(tables[i], name);
		if (known)
			continue;
		(void)snprintf(text, sizeof(text), "%.*s", (int)(name.len & 0xffff), name.p);
		fn(arg, text);
	}
}
