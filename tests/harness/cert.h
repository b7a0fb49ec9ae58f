/* cert.h: throw-away certificates for 127.0.0.1, self-signed, written as PEM files.
 *
 * Threads: any. Failures fail the running test. */
#ifndef HARNESS_CERT_H
#define HARNESS_CERT_H

/* `name` is the common name, to tell two apart. The key file gets mode 0600. */
void cert_make(const char *name, const char *cert_path, const char *key_path);

#endif
