#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/supervise.h"

#define LISTEN_STATE 0x0a /* of /proc/net/tcp */

/* The inode of a socket that listens on the port; 0: none. Any local address counts: most of them
 * are in the way. */
static unsigned long listening_inode(const char *table, uint16_t port)
{
	FILE *f = fopen(table, "re");
	char line[512];
	unsigned long inode = 0;

	while (f && !inode && fgets(line, sizeof(line), f)) {
		unsigned local_port, state;
		unsigned long found;

		if (sscanf(line,
			    " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu",
			    &local_port, &state, &found) == 3 &&
			local_port == port && state == LISTEN_STATE)
			inode = found;
	}
	if (f)
		(void)fclose(f);
	return inode;
}

static bool holds_socket(const char *pid, const char *want)
{
	char path[300], target[64];
	DIR *d;
	bool found = false;

	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	for (struct dirent *e; d && !found && (e = readdir(d));) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		found = strcmp(target, want) == 0;
	}
	if (d)
		(void)closedir(d);
	return found;
}

static void name_of(const char *pid, char *to, size_t size)
{
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(to, (int)size, f))
		(void)snprintf(to, size, "?");
	to[strcspn(to, "\n")] = '\0';
	if (f)
		(void)fclose(f);
}

bool port_taken(uint16_t port, char *who, size_t size)
{
	unsigned long inode = listening_inode("/proc/net/tcp", port);
	char want[64], name[64];
	DIR *d;

	if (!inode)
		inode = listening_inode("/proc/net/tcp6", port);
	if (!inode)
		return false;
	(void)snprintf(who, size, "a process of another user");
	(void)snprintf(want, sizeof(want), "socket:[%lu]", inode);
	d = opendir("/proc");
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !holds_socket(e->d_name, want))
			continue;
		name_of(e->d_name, name, sizeof(name));
		(void)snprintf(who, size, "process %s (%s)", e->d_name, name);
		break;
	}
	if (d)
		(void)closedir(d);
	return true;
}
