#include "membershipd/domain/user.h"

const char *md_user_add_says(ub_err err)
{
	switch ((int)err) {
	case UNIBUS_ERR_INVALID:
		return "sign_pub is no signing key that may be used, or the handle is malformed "
		       "(1 to 32 of a-z 0-9 . _ - beginning with a letter or digit)";
	case UNIBUS_ERR_KEY_TAKEN:
		return "this key is an active user already, with another handle or role; revoke it "
		       "first or leave it";
	case UNIBUS_ERR_HANDLE_TAKEN:
		return "the handle belongs to another key, revoked ones included; choose another";
	case UNIBUS_ERR_DENIED:
		return "only an active administrator may add users";
	default:
		return unibus_strerror(err);
	}
}

const char *md_user_revoke_says(ub_err err)
{
	switch ((int)err) {
	case UNIBUS_ERR_NOT_FOUND:
		return "no user has this key";
	case UNIBUS_ERR_LAST_ADMIN:
		return "this is the last active administrator; make another one first";
	case UNIBUS_ERR_DENIED:
		return "only an active administrator may revoke users";
	default:
		return unibus_strerror(err);
	}
}
