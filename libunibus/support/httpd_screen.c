/* What a request must look like before anybody trusts a byte of it. libmicrohttpd takes several
 * spellings of a body's length; a proxy in front might take another one of them. */
#include "core/num.h"
#include "support/httpd_impl.h"

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_token(struct ub_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.p[i]) && (!s.p[i] || !strchr("!#$%&'*+-.^_`|~", s.p[i])))
			return false;
	return s.len > 0;
}

/* Visible bytes, spaces, tabs; bytes above 127 are somebody's text. */
static bool is_value(struct ub_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

struct screen {
	size_t n, bytes;
	unsigned n_length, n_host;
	bool bad, coded;
	struct ub_str length;
};

static enum MHD_Result look(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
	const char *value, size_t value_len)
{
	struct screen *s = cls;
	struct ub_str name = {key, key_len}, val = {value ? value : "", value ? value_len : 0};

	(void)kind;
	s->n++;
	s->bytes += key_len + val.len + 4;
	if (!is_token(name) || !is_value(val)) {
		s->bad = true;
		return MHD_YES;
	}
	if (strcasecmp(key, "Transfer-Encoding") == 0)
		s->coded = true;
	if (strcasecmp(key, "Host") == 0)
		s->n_host++;
	if (strcasecmp(key, "Content-Length") == 0) {
		s->n_length++;
		s->length = val;
	}
	return MHD_YES;
}

static void refuse(struct httpd_req *r, ub_err err, const char *sentence)
{
	/* Where this request ends is in doubt, so nothing may follow it. */
	r->close = true;
	httpd_fail(r, err, sentence);
}

static void screen_length(struct httpd_req *r, const struct screen *s)
{
	bool takes_body = strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 ||
			  strcmp(r->method, "PATCH") == 0;
	uint64_t length = 0;

	if (s->coded) {
		refuse(r, UNIBUS_ERR_LENGTH_REQUIRED, NULL);
	} else if (s->n_length > 1) {
		refuse(r, UNIBUS_ERR_INVALID, "the request has more than one Content-Length");
	} else if (s->n_length && ub_num_u64(s->length, 0, SIZE_MAX / 2, &length)) {
		refuse(r, UNIBUS_ERR_INVALID, "the Content-Length is not a plain decimal number");
	} else if (takes_body && !s->n_length) {
		refuse(r, UNIBUS_ERR_LENGTH_REQUIRED, NULL);
	} else if (!takes_body && length) {
		refuse(r, UNIBUS_ERR_INVALID, "a request with this method has no body");
	}
	r->length = (size_t)length;
}

static bool path_byte(const struct httpd_req *r, char c)
{
	const char *extra = r->h->c.path_extra;

	return is_alnum(c) || c == '_' || c == '-' || c == '/' || (extra && c && strchr(extra, c));
}

static bool add_arg(struct httpd_req *r, struct ub_str piece)
{
	const char *eq = memchr(piece.p, '=', piece.len);
	struct httpd_arg *a = &r->args[r->n_args];

	if (!eq || eq == piece.p || r->n_args == HTTPD_QUERY_MAX)
		return false;
	a->name = (struct ub_str){piece.p, (size_t)(eq - piece.p)};
	a->value = (struct ub_str){eq + 1, piece.len - a->name.len - 1};
	if (memchr(a->value.p, '=', a->value.len))
		return false;
	for (size_t i = 0; i < r->n_args; i++)
		if (ub_str_eq(r->args[i].name, a->name))
			return false;
	r->n_args++;
	return true;
}

/* name=value&name=value, each name once, nothing encoded: every value of ours is plain. */
static bool parse_query(struct httpd_req *r)
{
	const char *p = r->target + r->path_len + 1, *end = r->target + r->target_len;

	for (const char *c = p; c < end; c++)
		if (!is_alnum(*c) && (!*c || !strchr("._~=&-", *c)))
			return false;
	for (;;) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		const char *stop = amp ? amp : end;

		if (!add_arg(r, (struct ub_str){p, (size_t)(stop - p)}))
			return false;
		if (!amp)
			return true;
		p = amp + 1;
	}
}

static void screen_target(struct httpd_req *r)
{
	const char *query = memchr(r->target, '?', r->target_len);

	r->path_len = query ? (size_t)(query - r->target) : r->target_len;
	if (r->target_len > UB_TARGET_MAX) {
		refuse(r, UNIBUS_ERR_HEADERS_TOO_LARGE, "the request target is too long");
		return;
	}
	if (!r->target_len || r->target[0] != '/') {
		refuse(r, UNIBUS_ERR_INVALID, "the request target must be a path");
		return;
	}
	for (size_t i = 0; i < r->path_len; i++) {
		if (!path_byte(r, r->target[i]) ||
			(r->target[i] == '.' && i && strchr("/.", r->target[i - 1]))) {
			refuse(r, UNIBUS_ERR_INVALID,
				"the path has a character that no path here has");
			return;
		}
	}
	if (query && !parse_query(r))
		refuse(r, UNIBUS_ERR_INVALID,
			"the query must be name=value pairs, each name once, nothing encoded");
}

void httpd_screen(struct httpd_req *r, const char *version)
{
	struct screen s = {0};

	(void)MHD_get_connection_values_n(r->con, MHD_HEADER_KIND, look, &s); /* counts in s */
	if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
		refuse(r, UNIBUS_ERR_INVALID, "this server speaks HTTP/1.1");
	else if (s.n > HTTPD_HEADERS_MAX || s.bytes > UB_HEADER_BYTES_MAX)
		refuse(r, UNIBUS_ERR_HEADERS_TOO_LARGE, NULL);
	else if (s.bad)
		refuse(r, UNIBUS_ERR_INVALID, "a header field is malformed");
	else if (s.n_host > 1)
		refuse(r, UNIBUS_ERR_INVALID, "the request has more than one Host");
	else
		screen_length(r, &s);
	if (!r->replied)
		screen_target(r);
}
