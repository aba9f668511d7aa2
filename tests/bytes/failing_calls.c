/* Makes one system call of a process fail: a library for LD_PRELOAD, see test_save_crashes.py.

   fail_call(k, error) lets the k-th of the calls below fail from now on with this error number, once;
   k = 0: none. With the error SHORT, a read or write transfers half of its bytes, and other calls
   succeed. fail_call returns how many calls there have been since it was last called. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { SHORT = -1 };

static int calls, chosen, error_number;

int fail_call(int k, int error)
{
    int n = calls;
    calls = 0;
    chosen = k;
    error_number = error;
    return n;
}

static int fails(void) { return ++calls == chosen; }

#define REAL(result, name, ...) ((result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))
#define FAIL_OR(call) \
    if (fails() && error_number > 0) { \
        errno = error_number; \
        return -1; \
    } \
    return call

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    FAIL_OR(REAL(int, "open64", const char *, int, ...)(path, flags, mode));
}

static size_t half(size_t size) { return size > 1 ? size / 2 : size; }

ssize_t write(int file, const void *data, size_t size)
{
    size_t part = calls + 1 == chosen && error_number == SHORT ? half(size) : size;
    FAIL_OR(REAL(ssize_t, "write", int, const void *, size_t)(file, data, part));
}

ssize_t read(int file, void *data, size_t size)
{
    size_t part = calls + 1 == chosen && error_number == SHORT ? half(size) : size;
    FAIL_OR(REAL(ssize_t, "read", int, void *, size_t)(file, data, part));
}

int fsync(int file) { FAIL_OR(REAL(int, "fsync", int)(file)); }

int close(int file)
{
    int result = REAL(int, "close", int)(file); /* Linux closes the file even if it reports an error */
    FAIL_OR(result);
}

int rename(const char *from, const char *to) { FAIL_OR(REAL(int, "rename", const char *, const char *)(from, to)); }

int chmod(const char *path, mode_t mode) { FAIL_OR(REAL(int, "chmod", const char *, mode_t)(path, mode)); }

int stat64(const char *path, struct stat64 *result)
{
    FAIL_OR(REAL(int, "stat64", const char *, struct stat64 *)(path, result));
}

int fstat64(int file, struct stat64 *result) { FAIL_OR(REAL(int, "fstat64", int, struct stat64 *)(file, result)); }
