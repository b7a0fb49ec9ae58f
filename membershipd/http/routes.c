/* THE TABLE: every path there is, who may, and how much it may send. openapi.yaml lists the same
 * rows; a test compares. */
#include "membershipd/http/api.h"

#define ANYONE MD_ACCESS_ANYONE
#define OPTIONAL MD_ACCESS_OPTIONAL
#define USER MD_ACCESS_USER
#define MEMBER MD_ACCESS_MEMBER
#define SELF MD_ACCESS_SELF
#define SELF_OR_ADMIN MD_ACCESS_SELF_OR_ADMIN
#define ADMIN MD_ACCESS_ADMIN
#define ENTRY UB_ENTRY_BODY_MAX
#define SMALL MD_BODY_SMALL
#define INLINE false
#define WAITS true

/* clang-format off */
const struct md_route md_routes[] = {
	{"GET",  "/healthz", ANYONE, 0, INLINE, api_healthz, 0, NULL},
	{"GET",  "/server", OPTIONAL, 0, INLINE, api_server, 0, NULL},

	{"GET",  "/users", ADMIN, 0, INLINE, api_users_list, 0, NULL},
	{"POST", "/users", ADMIN, SMALL, WAITS, api_user_add, 0, NULL},
	{"POST", "/users/{sign_pub}/revoke", ADMIN, SMALL, WAITS, api_user_revoke, 0, NULL},

	{"GET",  "/peers", USER, 0, WAITS, api_peer_find, 0, NULL},
	{"GET",  "/peers/{endpoint}", USER, 0, WAITS, api_peer_get, 0, NULL},
	{"PUT",  "/peers/{endpoint}", SELF, SMALL, WAITS, api_peer_put, 0, NULL},

	{"POST", "/rooms", USER, ENTRY, WAITS, api_room_create, 0, NULL},
	{"GET",  "/rooms/{id}", MEMBER, 0, INLINE, api_room_get, 0, NULL},
	{"GET",  "/rooms/{id}/members", MEMBER, 0, INLINE, api_room_members, 0, NULL},
	{"GET",  "/rooms/{id}/log", MEMBER, 0, WAITS, api_room_log, 0, NULL},
	{"GET",  "/rooms/{id}/key", MEMBER, 0, WAITS, api_room_key, 0, NULL},
	{"GET",  "/rooms/{id}/messages", MEMBER, 0, WAITS, api_room_messages, 0, NULL},
	{"POST", "/rooms/{id}/join", MEMBER, SMALL, WAITS, api_room_join, 0, NULL},
	{"POST", "/rooms/{id}/invite", MEMBER, ENTRY, WAITS, api_room_change, MD_ROOM_INVITE, NULL},
	{"POST", "/rooms/{id}/remove", MEMBER, ENTRY, WAITS, api_room_change, MD_ROOM_REMOVE, NULL},
	{"POST", "/rooms/{id}/leave", MEMBER, ENTRY, WAITS, api_room_change, MD_ROOM_LEAVE, NULL},
	{"POST", "/rooms/{id}/role", MEMBER, ENTRY, WAITS, api_room_change, MD_ROOM_ROLE, NULL},
	{"POST", "/rooms/{id}/rekey", MEMBER, ENTRY, WAITS, api_room_change, MD_ROOM_REKEY, NULL},
	{"POST", "/rooms/{id}/policy", MEMBER, ENTRY, WAITS, api_room_change, MD_ROOM_POLICY, NULL},
	{"POST", "/rooms/{id}/close", MEMBER, ENTRY, WAITS, api_room_change, MD_ROOM_CLOSE, NULL},

	{"POST", "/blobs", MEMBER, UB_BLOB_MAX, WAITS, api_blob_put, 0, api_blob_head},
	{"GET",  "/blobs/{hash}", MEMBER, 0, WAITS, api_blob_get, 0, NULL},

	{"GET",  "/members/{endpoint}/rooms", SELF_OR_ADMIN, 0, INLINE, api_rooms_of, 0, NULL},
};
/* clang-format on */
const size_t md_routes_n = UB_ARRAY_LEN(md_routes);
_Static_assert(UB_ARRAY_LEN(md_routes) <= MD_ROUTES_MAX, "the table outgrew its place");
