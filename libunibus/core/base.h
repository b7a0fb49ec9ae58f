/* base.h: attributes, ownership, assertions and the typed bytes that everything else is made of.
 *
 * Threads: pure. */
#ifndef UB_BASE_H
#define UB_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/banned.h"
#include "core/err.h"

#define UB_MUST_CHECK __attribute__((warn_unused_result))
#define UB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UB_NORETURN __attribute__((noreturn))

/* An owned local: `fn(&local)` runs on every way out of the scope. */
#define UB_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Makes `type_freep`-like helpers: UB_DEFINE_CLEANUP(struct box *, box_free) gives box_freep. */
#define UB_DEFINE_CLEANUP(type, fn) \
	static inline __attribute__((unused)) void fn##p(type *p) \
	{ \
		if (*p) \
			fn(*p); \
	}

/* Hands an owned pointer over: yields it and leaves NULL behind. */
#define UB_TAKE(p) \
	__extension__({ \
		__typeof__(p) ub_take_ = (p); \
		(p) = NULL; \
		ub_take_; \
	})

#define UB_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A bug, never an input: prints where and aborts, in release builds too. */
#define ub_assert(cond) ((cond) ? (void)0 : ub_assert_failed(#cond, __FILE__, __LINE__))
UB_NORETURN void ub_assert_failed(const char *cond, const char *file, int line);

/* free(*p), for char * and json-free owned locals: UB_CLEANUP(ub_freep) char *s = NULL; */
void ub_freep(void *p);

/* Borrowed views. Text is not NUL-terminated unless it says so. */
struct ub_str {
	const char *p;
	size_t len;
};
struct ub_bytes {
	const uint8_t *p;
	size_t len;
};
#define UB_STR(literal) ((struct ub_str){(literal), sizeof(literal) - 1})
struct ub_str ub_str(const char *z); /* NULL gives {NULL, 0} */
bool ub_str_eq(struct ub_str a, struct ub_str b);
bool ub_str_eqz(struct ub_str a, const char *z);
/* A NUL-terminated copy, to be freed; NULL when out of memory. */
char *ub_str_dup(struct ub_str s);

/* Public bytes. */
struct ub_pubkey { /* Ed25519 */
	uint8_t b[32];
};
struct ub_sig { /* Ed25519 or Ed25519ph */
	uint8_t b[64];
};
struct ub_kexpub { /* X25519 */
	uint8_t b[32];
};
struct ub_hash { /* BLAKE2b-256 unless a function says otherwise */
	uint8_t b[32];
};
struct ub_endpoint { /* SHA-256 of an Ed25519 public key */
	uint8_t b[32];
};
struct ub_room_id {
	uint8_t b[32];
};
struct ub_ulid {
	uint8_t b[16];
};

/* Secrets. Each has a wipe for UB_CLEANUP; none has a text form outside key files. */
struct ub_signkey { /* libsodium's form: seed ‖ public key */
	uint8_t b[64];
};
struct ub_kexsec {
	uint8_t b[32];
};
struct ub_symkey {
	uint8_t b[32];
};
void ub_signkey_wipe(struct ub_signkey *k);
void ub_kexsec_wipe(struct ub_kexsec *k);
void ub_symkey_wipe(struct ub_symkey *k);

/* Roles in a room; the numbers are on the wire. */
enum ub_role {
	UB_ROLE_NONE = 0,
	UB_ROLE_READER = 1,
	UB_ROLE_MEMBER = 2,
	UB_ROLE_ADMIN = 3,
	UB_ROLE_OWNER = 4,
};
/* "reader" ... "owner"; "none". */
const char *ub_role_name(enum ub_role role);
/* UNIBUS_ERR_INVALID for anything but the four names. */
UB_MUST_CHECK
ub_err ub_role_parse(struct ub_str s, enum ub_role *ret);

#endif
