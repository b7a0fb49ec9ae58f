/* banned.h: libc functions that have no place here, as compile errors.
 *
 * Numbers parse through core/num.h, text is built with core/buf.h or snprintf.
 *
 * Threads: none. */
#ifndef UB_BANNED_H
#define UB_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll atof
#pragma GCC poison gets tmpnam mktemp gmtime localtime ctime asctime rand srand

#endif
