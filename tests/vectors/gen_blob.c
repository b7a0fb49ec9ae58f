#include "tests/unit/core/blob_kit.h"
#include "tests/vectors/gen.h"

#define SHORT 256 /* stored bytes up to this many are written out */

static struct kit_blob blob_of(uint8_t n, size_t len)
{
	struct kit_blob b = {.p = NULL};

	memset(b.key.b, n, sizeof(b.key.b));
	memset(b.room.b, 0xa0 + n, sizeof(b.room.b));
	memset(b.header, 0x30 + n, sizeof(b.header));
	kit_blob_seal(&b, len);
	return b;
}

static json_t *of(const struct kit_blob *b, const char *why, size_t len)
{
	json_t *o = json_object();

	gen_put(o, "why", json_string(why));
	gen_put(o, "key", gen_hex(b->key.b, sizeof(b->key.b)));
	gen_put(o, "room", gen_hex(b->room.b, sizeof(b->room.b)));
	gen_put(o, "header", gen_hex(b->header, sizeof(b->header)));
	gen_put(o, "length", json_integer((json_int_t)len));
	return o;
}

static void put_sealed(json_t *list, const char *why, uint8_t n, size_t len)
{
	struct kit_blob b = blob_of(n, len);
	json_t *o = of(&b, why, len);
	uint8_t h[32];

	ub_sha256(b.p, b.len, h);
	gen_put(o, "stored_length", json_integer((json_int_t)b.len));
	gen_put(o, "stored_sha256", gen_hex(h, sizeof(h)));
	gen_put(o, "stored", b.len <= SHORT ? gen_hex(b.p, b.len) : json_null());
	json_array_append_new(list, o);
	free(b.p);
}

static void put_spoiled(json_t *list, const char *why, size_t len, const char *op, size_t at)
{
	struct kit_blob b = blob_of(9, len);
	json_t *o = of(&b, why, len);
	uint64_t got;

	gen_put(o, "op", json_string(op));
	gen_put(o, "at", json_integer((json_int_t)at));
	json_array_append_new(list, o);
	kit_blob_spoil(&b, op, at);
	ub_assert(kit_blob_open(&b, &got) == UNIBUS_ERR_CORRUPT);
	free(b.p);
}

static json_t *sealed(void)
{
	json_t *list = json_array();

	put_sealed(list, "nothing", 1, 0);
	put_sealed(list, "a byte", 2, 1);
	put_sealed(list, "a text", 3, 100);
	put_sealed(list, "a byte less than a chunk", 4, UB_BLOB_CHUNK - 1);
	put_sealed(list, "one chunk", 5, UB_BLOB_CHUNK);
	put_sealed(list, "a byte more than a chunk", 6, UB_BLOB_CHUNK + 1);
	put_sealed(list, "three chunks and a half", 7, 7 * UB_BLOB_CHUNK / 2);
	return list;
}

static json_t *spoiled(void)
{
	const size_t two = (size_t)2 * UB_BLOB_CHUNK, more = two + 10;
	json_t *list = json_array();

	put_spoiled(list, "a changed header", 100, "flip", 0);
	put_spoiled(list, "a changed byte in the first chunk", more, "flip", UB_BLOB_HEADER);
	put_spoiled(list, "a changed byte in the second chunk", more, "flip", SEALED_CHUNK + 100);
	put_spoiled(list, "a changed last byte", more, "flip",
		UB_BLOB_HEADER + 2 * SEALED_CHUNK + 10 + UB_BLOB_OVER - 1);
	put_spoiled(list, "cut between two chunks", more, "cut", UB_BLOB_HEADER + SEALED_CHUNK);
	put_spoiled(list, "cut within a chunk", more, "cut", SEALED_CHUNK);
	put_spoiled(list, "cut to the header", 0, "cut", UB_BLOB_HEADER);
	put_spoiled(list, "cut to nothing", 0, "cut", 0);
	put_spoiled(list, "two chunks exchanged", more, "swap", 0);
	put_spoiled(list, "the first chunk left out", more, "drop", 0);
	put_spoiled(list, "a chunk again after the last", two, "repeat", 0);
	put_spoiled(list, "a byte after the last chunk", 100, "append", 0);
	put_spoiled(list, "another key", 100, "key", 0);
	put_spoiled(list, "another room", 100, "room", 0);
	return list;
}

#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

static void put_ref(json_t *list, const char *why, ub_err want, const char *text)
{
	struct ub_blob_ref r;
	json_t *o = json_object();
	ub_err got = ub_blob_ref_get(ub_str(text), &r);

	ub_assert(got == want);
	gen_put(o, "why", json_string(why));
	gen_put(o, "text", json_string(text));
	gen_put(o, "opens", json_string(unibus_err_word(want)));
	json_array_append_new(list, o);
}

static json_t *refs(void)
{
	const ub_err no = UNIBUS_ERR_CORRUPT;
	json_t *l = json_array();

#define HEAD "{\"hash\":\"" HASH "\","
#define TAIL ",\"type\":\"text/plain\"}"
#define NAMED(name) HEAD "\"size\":1,\"name\":\"" name "\"" TAIL
	put_ref(l, "as it is", UB_OK, NAMED("a.txt"));
	put_ref(l, "sealed", UB_OK,
		HEAD "\"size\":42,\"name\":\"a.txt\",\"type\":\"text/plain\",\"key\":\"" KEY "\"}");
	put_ref(l, "quotes in the name", UB_OK, NAMED("\\\"a\\u0020b\\\""));
	put_ref(l, "letters of elsewhere", UB_OK, NAMED("Übersicht.pdf"));
	put_ref(l, "a path as name", no, NAMED("../a.txt"));
	put_ref(l, "a path of another system", no, NAMED("..\\\\a.txt"));
	put_ref(l, "the folder itself", no, NAMED("."));
	put_ref(l, "the folder above", no, NAMED(".."));
	put_ref(l, "no name", no, NAMED(""));
	put_ref(l, "a control character", no, NAMED("a\\u001bb"));
	put_ref(l, "a later control character", no, NAMED("a\\u0085b"));
	put_ref(l, "a name that reads backwards", no, NAMED("a\\u202egpj.exe"));
	put_ref(l, "a NUL", no, NAMED("a\\u0000b"));
	put_ref(l, "no type", no, HEAD "\"size\":1,\"name\":\"a\",\"type\":\"\"}");
	put_ref(l, "a line break in the type", no,
		HEAD "\"size\":1,\"name\":\"a\",\"type\":\"a\\nb\"}");
	put_ref(l, "too large", no, HEAD "\"size\":16777217,\"name\":\"a\"" TAIL);
	put_ref(l, "a negative size", no, HEAD "\"size\":-1,\"name\":\"a\"" TAIL);
	put_ref(l, "a size that nothing sealed has", no,
		HEAD "\"size\":40,\"name\":\"a\",\"type\":\"b\",\"key\":\"" KEY "\"}");
	put_ref(l, "a short key", no,
		HEAD "\"size\":42,\"name\":\"a\",\"type\":\"b\",\"key\":\"AQ\"}");
	put_ref(l, "no key where one is announced", no,
		HEAD "\"size\":42,\"name\":\"a\",\"type\":\"b\",\"key\":null}");
	put_ref(l, "a short hash", no, "{\"hash\":\"e3b0\",\"size\":1,\"name\":\"a\"" TAIL);
	put_ref(l, "a member too many", no, HEAD "\"size\":1,\"path\":\"/x\",\"name\":\"a\"" TAIL);
	put_ref(l, "a member twice", no, HEAD "\"size\":1,\"size\":2,\"name\":\"a\"" TAIL);
	put_ref(l, "a member too few", no, HEAD "\"name\":\"a\"" TAIL);
	put_ref(l, "no object", no, "[]");
	put_ref(l, "no JSON", no, "hello");
	return l;
}

json_t *gen_blob(void)
{
	json_t *o = json_object();

	gen_put(o, "sealed", sealed());
	gen_put(o, "spoiled", spoiled());
	gen_put(o, "refs", refs());
	return o;
}
