/* unibus/version.h: version of the headers and of the linked library.
 *
 * Threads: any. */
#ifndef UNIBUS_VERSION_H
#define UNIBUS_VERSION_H

#define UNIBUS_VERSION_MAJOR 0
#define UNIBUS_VERSION_MINOR 1
#define UNIBUS_VERSION_PATCH 0
#define UNIBUS_VERSION "0.1.0"

#if defined(__GNUC__)
#define UNIBUS_API __attribute__((visibility("default")))
#define UNIBUS_MUST_CHECK __attribute__((warn_unused_result))
#else
#define UNIBUS_API
#define UNIBUS_MUST_CHECK
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is linked, for instance "0.1.0". Static. */
UNIBUS_API const char *unibus_version(void);

#ifdef __cplusplus
}
#endif
#endif
