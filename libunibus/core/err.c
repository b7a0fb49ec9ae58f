#include "core/err.h"

#include <string.h>

struct row {
	enum unibus_err err;
	int status;
	const char *word;
	const char *text;
};

static const struct row rows[] = {
#define ROW(name, number, status, word, text) {UNIBUS_ERR_##name, status, word, text},
	UNIBUS_ERRORS(ROW)
#undef ROW
};

static const struct row *find(enum unibus_err err)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].err == err)
			return &rows[i];
	return NULL;
}

const char *unibus_strerror(enum unibus_err err)
{
	const struct row *row = find(err);

	return row ? row->text : "unknown error";
}

const char *unibus_err_word(enum unibus_err err)
{
	const struct row *row = find(err);

	return row ? row->word : "unknown";
}

enum unibus_err unibus_err_from_word(const char *word)
{
	for (size_t i = 0; word && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].word, word) == 0)
			return rows[i].err;
	return UNIBUS_ERR_INTERNAL;
}

const char *unibus_version(void)
{
	return UNIBUS_VERSION;
}

int ub_err_status(ub_err err)
{
	const struct row *row = find(err);

	return row && row->status ? row->status : 500;
}
