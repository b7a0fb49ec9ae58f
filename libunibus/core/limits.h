/* limits.h: every maximum, with its reason. Options can lower what is marked (option).
 *
 * Threads: none. */
#ifndef UB_LIMITS_H
#define UB_LIMITS_H

/* Text. */
#define UB_HANDLE_MAX 32   /* product: [a-z0-9][a-z0-9._-]{0,31} */
#define UB_LABEL_MAX 64    /* a key record's label: a name on a screen */
#define UB_SUBJECT_MAX 128 /* leaves room for prefixes below NATS' own 256-byte habits */
#define UB_SUBJECT_TOKENS_MAX 16

/* Signed material. */
#define UB_JSON_DEPTH_MAX 8              /* an entry is object > ops > op > policy > retain */
#define UB_JSON_INT_MAX 9007199254740992 /* 2^53: what every JSON reader agrees on */
#define UB_KEYREC_MAX 1024               /* text of a key record: about 430 bytes in practice */
#define UB_ENTRY_MAX (256 * 1024) /* text of one entry: 64 ops with key records fit four times */
#define UB_ENTRY_OPS_MAX 64
#define UB_ENTRY_BODY_MAX (4 * 1024 * 1024) /* entry with the sealed keys of 4,000 members */

/* Rooms. */
#define UB_ROOM_MEMBERS_MAX 4000 /* (option) sealing stays below a second, a set below 4 MiB */
#define UB_ROOMS_JOINED_MAX 500  /* (option) keeps a login's permission list below 200 kB */
#define UB_ROOMS_OWNED_MAX 200   /* (option) */

/* Frames. */
#define UB_PAYLOAD_MAX (64 * 1024) /* (option) */
#define UB_MEDIA_TYPE_MAX 127
#define UB_FRAME_HEADER_MAX (2 + 3 + 4 + 8 + 16 + 32 + 8 + 8 + 16 + 16 + 16 + 4)
#define UB_FRAME_MAX \
	(UB_FRAME_HEADER_MAX + 24 + 32 + 1 + UB_MEDIA_TYPE_MAX + UB_PAYLOAD_MAX + 16 + 64)
#define UB_REPLAY_SESSIONS 8
#define UB_REPLAY_WINDOW 1024 /* bits */
#define UB_FRAME_AGE_MAX_MS (5 * 60 * 1000)
#define UB_EPOCH_GRACE_MS (30 * 1000)
#define UB_EPOCH_AGE_MAX_MS (7LL * 24 * 3600 * 1000)
#define UB_EPOCH_FRAMES_MAX (1 << 20)
#define UB_ROTATION_GRACE_MS (5 * 60 * 1000)

/* HTTP. */
#define UB_BODY_MAX (1024 * 1024)
#define UB_BLOB_MAX (16 * 1024 * 1024) /* (option) */
#define UB_TARGET_MAX 2048
#define UB_HEADER_BYTES_MAX (16 * 1024)
#define UB_HEADER_SECONDS_MAX \
	10 /* until the headers are complete; bytes trickling do not extend it */
#define UB_HTTP_CONNECTIONS_MAX 4096
#define UB_LIST_MAX 1000

/* Blobs. */
#define UB_BLOB_USER_MAX (1024LL * 1024 * 1024)     /* (option) what one user has uploaded */
#define UB_BLOB_ROOM_MAX (4 * 1024LL * 1024 * 1024) /* (option) */
#define UB_BLOB_NAME_MAX 255                        /* what file systems take */
#define UB_BLOB_CHARGE_MIN (64 * 1024) /* one counts at least this: 16,384 a user, no more */
#define UB_BLOB_UPLOADS_MAX 64         /* under way at once: a GiB that is not accounted yet */
#define UB_BLOB_UPLOADS_USER_MAX 4

/* Signed requests. */
#define UB_REQUEST_WINDOW_MS (60 * 1000)
#define UB_NONCES_PER_KEY_MAX 20000 /* 120 s at 160 requests/s; past it that key gets 429 */
#define UB_NONCES_MAX 2000000

/* NATS. */
#define UB_JWT_MAX (1024 * 1024)
#define UB_LOGIN_NONCE_MIN 11
#define UB_LOGIN_NONCE_MAX 64
#define UB_PERMISSIONS_BYTES_MAX (400 * 1024) /* the server's 1 MiB after two rounds of base64 */
#define UB_SHARDS_MAX 256                     /* a shard is chosen by one byte */
#define UB_BUS_PAYLOAD_MAX (1024 * 1024)

/* Files. */
#define UB_IDENTITY_FILE_MAX 4096
#define UB_STATE_FILE_MAX (256 * 1024 * 1024)

#endif
