#include "core/base.h"

#include <sodium.h>

void ub_assert_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "%s:%d: bug: %s does not hold\n", file, line, cond);
	abort();
}

void ub_freep(void *p)
{
	void *owned;

	/* Copied out, because `p` may be the address of any pointer type. */
	memcpy(&owned, p, sizeof(owned));
	free(owned);
}

struct ub_str ub_str(const char *z)
{
	return (struct ub_str){z, z ? strlen(z) : 0};
}

bool ub_str_eq(struct ub_str a, struct ub_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool ub_str_eqz(struct ub_str a, const char *z)
{
	return ub_str_eq(a, ub_str(z));
}

char *ub_str_dup(struct ub_str s)
{
	char *copy = s.len < SIZE_MAX ? malloc(s.len + 1) : NULL;

	if (!copy)
		return NULL;
	if (s.len)
		memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	return copy;
}

void ub_signkey_wipe(struct ub_signkey *k)
{
	sodium_memzero(k, sizeof(*k));
}

void ub_kexsec_wipe(struct ub_kexsec *k)
{
	sodium_memzero(k, sizeof(*k));
}

void ub_symkey_wipe(struct ub_symkey *k)
{
	sodium_memzero(k, sizeof(*k));
}

static const char *const role_names[] = {
	[UB_ROLE_NONE] = "none",
	[UB_ROLE_READER] = "reader",
	[UB_ROLE_MEMBER] = "member",
	[UB_ROLE_ADMIN] = "admin",
	[UB_ROLE_OWNER] = "owner",
};

const char *ub_role_name(enum ub_role role)
{
	size_t i = (size_t)role;

	return role_names[i < UB_ARRAY_LEN(role_names) ? i : UB_ROLE_NONE];
}

ub_err ub_role_parse(struct ub_str s, enum ub_role *ret)
{
	for (size_t i = UB_ROLE_READER; i <= UB_ROLE_OWNER; i++) {
		if (ub_str_eqz(s, role_names[i])) {
			*ret = (enum ub_role)i;
			return UB_OK;
		}
	}
	return UNIBUS_ERR_INVALID;
}
