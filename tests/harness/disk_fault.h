/* disk_fault.h: SQLite's file layer over a disk that fails when told to.
 *
 * Threads: installed before any database is open; armed from any thread. */
#ifndef HARNESS_DISK_FAULT_H
#define HARNESS_DISK_FAULT_H

enum disk_fault {
	DISK_OK,
	DISK_FULL,    /* writes answer that there is no space */
	DISK_NO_SYNC, /* what is written cannot be made durable */
};

/* Makes it the file layer of all databases opened from now on. Asserts. */
void disk_fault_install(void);
/* From now on, after `spare` more calls of the kind that succeed. */
void disk_fault_arm(enum disk_fault fault, int spare);

#endif
