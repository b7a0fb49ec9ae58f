#include "tests/harness/disk_fault.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base.h"

static _Atomic int armed;
static _Atomic int spare_calls;

/* A file of the layer below, behind ours. */
struct fault_file {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *file)
{
	void *p = file;
	struct fault_file *f = p;

	return f->real;
}

static sqlite3_vfs *real_vfs(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

static bool fails(enum disk_fault fault)
{
	return atomic_load(&armed) == (int)fault && atomic_fetch_sub(&spare_calls, 1) <= 0;
}

static int fault_close(sqlite3_file *file)
{
	sqlite3_file *real = real_of(file);
	int rc = real->pMethods->xClose(real);

	return rc;
}

static int fault_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), to, n, at);
}

static int fault_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	if (fails(DISK_FULL))
		return SQLITE_FULL;
	return real_of(file)->pMethods->xWrite(real_of(file), p, n, at);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int fault_sync(sqlite3_file *file, int flags)
{
	if (fails(DISK_NO_SYNC))
		return SQLITE_IOERR_FSYNC;
	return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int fault_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int fault_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int fault_is_reserved(sqlite3_file *file, int *ret)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int fault_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int fault_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int fault_device(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret);
}

static int fault_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), at, n, flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int fault_shm_unmap(sqlite3_file *file, int erase)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), erase);
}

static const sqlite3_io_methods fault_methods = {
	.iVersion = 2,
	.xClose = fault_close,
	.xRead = fault_read,
	.xWrite = fault_write,
	.xTruncate = fault_truncate,
	.xSync = fault_sync,
	.xFileSize = fault_size,
	.xLock = fault_lock,
	.xUnlock = fault_unlock,
	.xCheckReservedLock = fault_is_reserved,
	.xFileControl = fault_control,
	.xSectorSize = fault_sector,
	.xDeviceCharacteristics = fault_device,
	.xShmMap = fault_shm_map,
	.xShmLock = fault_shm_lock,
	.xShmBarrier = fault_shm_barrier,
	.xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
	void *p = file, *behind = (char *)p + sizeof(struct fault_file);
	struct fault_file *f = p;
	sqlite3_vfs *real = real_vfs(vfs);

	f->real = behind;
	f->base.pMethods = NULL;
	int rc = real->xOpen(real, name, f->real, flags, ret);
	if (f->real->pMethods)
		f->base.pMethods = &fault_methods;
	return rc;
}

void disk_fault_install(void)
{
	static sqlite3_vfs vfs;
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	ub_assert(real && strcmp(real->zName, "unix") == 0);
	/* All but opening a file is the real layer's, called with our struct: unix's functions use
	 * nothing of it but pAppData in xOpen's choice of locks and mxPathname. */
	vfs = *real;
	vfs.zName = "disk-fault";
	vfs.pNext = NULL;
	vfs.pAppData = real;
	vfs.szOsFile = (int)sizeof(struct fault_file) + real->szOsFile;
	vfs.xOpen = fault_open;
	ub_assert(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

void disk_fault_arm(enum disk_fault fault, int spare)
{
	atomic_store(&spare_calls, spare);
	atomic_store(&armed, (int)fault);
}
