#include "client/pins.h"

#include <pthread.h>

#include "client/hash.h"
#include "core/endpoint.h"
#include "core/json.h"
#include "core/subject.h"

#define FILE_NAME "pins.json"

struct pin {
	UT_hash_handle hh;
	char key[UB_SUBJECT_MAX + 1];
	char *value;
};

struct ub_pins {
	struct ub_statedir *d;
	pthread_mutex_t lock;
	struct pin *maps[UB_PIN_MAPS];
};

static const char *const map_names[UB_PIN_MAPS] = {
	[UB_PIN_HANDLES] = "handles",
	[UB_PIN_SUBJECTS] = "subjects",
	[UB_PIN_PEERS] = "peers",
};

static void maps_clear(struct pin *maps[UB_PIN_MAPS])
{
	for (size_t i = 0; i < UB_PIN_MAPS; i++) {
		struct pin *pin, *next;

		HASH_ITER (hh, maps[i], pin, next) {
			HASH_DEL(maps[i], pin);
			free(pin->value);
			free(pin);
		}
	}
}

static ub_err map_set(struct pin **map, const char *key, const char *value)
{
	struct pin *pin;
	char *copy = ub_str_dup(ub_str(value));

	if (!copy)
		return UNIBUS_ERR_NOMEM;
	HASH_FIND_STR(*map, key, pin);
	if (pin) {
		free(pin->value);
		pin->value = copy;
		return UB_OK;
	}
	pin = calloc(1, sizeof(*pin));
	if (!pin) {
		free(copy);
		return UNIBUS_ERR_NOMEM;
	}
	snprintf(pin->key, sizeof(pin->key), "%s", key);
	pin->value = copy;
	HASH_ADD_STR(*map, key, pin);
	if (!pin->hh.tbl) {
		free(pin->value);
		free(pin);
		return UNIBUS_ERR_NOMEM;
	}
	return UB_OK;
}

static bool peer_fits(struct ub_str endpoint, struct ub_str keyrec)
{
	struct ub_endpoint e, of;
	struct ub_keyrec r;

	if (ub_endpoint_decode(endpoint, &e) != UB_OK || ub_keyrec_open(keyrec, &r) != UB_OK)
		return false;
	ub_endpoint_of(&r.sign, &of);
	return ub_endpoint_eq(&e, &of);
}

static bool pin_ok(enum ub_pin_map map, struct ub_str key, struct ub_str value)
{
	struct ub_endpoint e;
	struct ub_room_id room;

	switch (map) {
	case UB_PIN_HANDLES:
		return ub_handle_check(key) == UB_OK && ub_endpoint_decode(value, &e) == UB_OK;
	case UB_PIN_SUBJECTS:
		return ub_subject_check(key) == UB_OK && ub_room_id_decode(value, &room) == UB_OK;
	case UB_PIN_PEERS:
		return peer_fits(key, value);
	case UB_PIN_MAPS:
		break;
	}
	return false;
}

static ub_err map_parse(enum ub_pin_map map, json_t *object, struct pin **ret)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		struct ub_str text = {json_string_value(value), json_string_length(value)};
		ub_err err;

		if (!text.p || !pin_ok(map, ub_str(key), text))
			return UNIBUS_ERR_BAD_FILE;
		err = map_set(ret, key, text.p);
		if (err != UB_OK)
			return err;
	}
	return UB_OK;
}

static ub_err file_parse(struct ub_str text, struct pin *ret[UB_PIN_MAPS])
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_obj o;
	ub_err err = ub_json_parse(text, &v);

	if (err != UB_OK)
		return err == UNIBUS_ERR_NOMEM ? err : UNIBUS_ERR_BAD_FILE;
	o = ub_obj(v);
	(void)ub_obj_u64(&o, "v", 1, 1); /* latched with the rest */
	for (size_t i = 0; i < UB_PIN_MAPS && err == UB_OK; i++) {
		json_t *object = ub_obj_object(&o, map_names[i]);

		if (object)
			err = map_parse((enum ub_pin_map)i, object, &ret[i]);
	}
	if (err == UB_OK && ub_obj_end(&o) != UB_OK)
		err = UNIBUS_ERR_BAD_FILE;
	return err;
}

/* The file's pins take the place of those in memory; a missing file has none. */
static ub_err reload(struct ub_pins *p)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_STATE_FILE_MAX);
	struct pin *maps[UB_PIN_MAPS] = {0};
	ub_err err = ub_statedir_read(p->d, FILE_NAME, &text);

	if (err == UB_OK)
		err = file_parse(ub_buf_text(&text), maps);
	else if (err == UNIBUS_ERR_NOT_FOUND)
		err = UB_OK;
	if (err != UB_OK) {
		maps_clear(maps);
		return err;
	}
	maps_clear(p->maps);
	memcpy(p->maps, maps, sizeof(maps));
	return UB_OK;
}

static json_t *map_json(struct pin *map)
{
	json_t *o = json_object();
	struct pin *pin, *next;

	HASH_ITER (hh, map, pin, next) {
		if (o && json_object_set_new(o, pin->key, json_string(pin->value)) != 0) {
			json_decref(o);
			o = NULL;
		}
	}
	return o;
}

static ub_err save(struct ub_pins *p)
{
	UB_CLEANUP(json_decrefp) json_t *v = json_pack("{si}", "v", 1);
	UB_CLEANUP(ub_freep) char *text = NULL;
	UB_CLEANUP(ub_buf_deinit) struct ub_buf out = UB_BUF(UB_STATE_FILE_MAX);

	for (size_t i = 0; v && i < UB_PIN_MAPS; i++)
		if (json_object_set_new(v, map_names[i], map_json(p->maps[i])) != 0)
			return UNIBUS_ERR_NOMEM;
	text = v ? ub_json_text(v) : NULL;
	if (!text)
		return UNIBUS_ERR_NOMEM;
	ub_buf_z(&out, text);
	ub_buf_z(&out, "\n");
	return ub_statedir_write(p->d, FILE_NAME, &out);
}

ub_err ub_pins_open(struct ub_statedir *d, struct ub_pins **ret)
{
	struct ub_pins *p = calloc(1, sizeof(*p));
	ub_err err;

	if (!p)
		return UNIBUS_ERR_NOMEM;
	p->d = d;
	pthread_mutex_init(&p->lock, NULL);
	err = reload(p);
	if (err != UB_OK) {
		ub_pins_free(p);
		return err;
	}
	*ret = p;
	return UB_OK;
}

void ub_pins_free(struct ub_pins *p)
{
	if (!p)
		return;
	maps_clear(p->maps);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

ub_err ub_pins_get(struct ub_pins *p, enum ub_pin_map map, const char *key, char **ret)
{
	struct pin *pin;
	char *copy = NULL;

	pthread_mutex_lock(&p->lock);
	HASH_FIND_STR(p->maps[map], key, pin);
	if (pin)
		copy = ub_str_dup(ub_str(pin->value));
	pthread_mutex_unlock(&p->lock);
	if (!pin)
		return UNIBUS_ERR_NOT_FOUND;
	if (!copy)
		return UNIBUS_ERR_NOMEM;
	*ret = copy;
	return UB_OK;
}

static ub_err put_new(struct ub_pins *p, enum ub_pin_map map, const char *key, const char *value)
{
	struct pin *pin = NULL;
	ub_err err = map_set(&p->maps[map], key, value);

	if (err == UB_OK)
		err = save(p);
	if (err == UB_OK)
		return UB_OK;
	/* What is not on disk was not pinned. */
	HASH_FIND_STR(p->maps[map], key, pin);
	if (pin) {
		HASH_DEL(p->maps[map], pin);
		free(pin->value);
		free(pin);
	}
	return err;
}

static ub_err put_changed(struct ub_pins *p, struct pin *pin, const char *value)
{
	char *old = pin->value;
	ub_err err;

	pin->value = ub_str_dup(ub_str(value));
	err = pin->value ? save(p) : UNIBUS_ERR_NOMEM;
	if (err != UB_OK) {
		free(pin->value);
		pin->value = old;
		return err;
	}
	free(old);
	return UB_OK;
}

/* Under p->lock and the folder's lock, with the file's pins in memory. */
static ub_err put(
	struct ub_pins *p, enum ub_pin_map map, const char *key, const char *value, bool replace)
{
	struct pin *pin;

	HASH_FIND_STR(p->maps[map], key, pin);
	if (!pin)
		return put_new(p, map, key, value);
	if (strcmp(pin->value, value) == 0)
		return UB_OK;
	return replace ? put_changed(p, pin, value) : UNIBUS_ERR_KEY_CHANGED;
}

ub_err ub_pins_put(
	struct ub_pins *p, enum ub_pin_map map, const char *key, const char *value, bool replace)
{
	UB_CLEANUP(ub_statedir_unlock) int lock = -1;
	ub_err err;

	if (!pin_ok(map, ub_str(key), ub_str(value)))
		return UNIBUS_ERR_INVALID;
	err = ub_statedir_lock(p->d, &lock);
	if (err != UB_OK)
		return err;
	pthread_mutex_lock(&p->lock);
	err = reload(p);
	if (err == UB_OK)
		err = put(p, map, key, value, replace);
	pthread_mutex_unlock(&p->lock);
	return err;
}

void ub_pins_handle_of(struct ub_pins *p, const char *endpoint, char *to, size_t len)
{
	struct pin *pin, *next;

	to[0] = '\0';
	pthread_mutex_lock(&p->lock);
	HASH_ITER (hh, p->maps[UB_PIN_HANDLES], pin, next)
		if (strcmp(pin->value, endpoint) == 0)
			snprintf(to, len, "%s", pin->key);
	pthread_mutex_unlock(&p->lock);
}
