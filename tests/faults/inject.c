/*
 * Loaded into the daemon by LD_PRELOAD, to make what it asks of the system fail. A test and the
 * daemon share the file that FAULTS_CONTROL names: the test writes `kind`, `fail_at` and `lasting`
 * there, and then `armed`; from then on every call of that kind is counted, and the fail_at-th
 * fails (and all that follow, if the fault is lasting) until `armed` is 0 again. `offset_s` is
 * added to what CLOCK_REALTIME says.
 *
 * The C library's own calls of malloc come here too: strdup, getline, fopen and so on. A
 * sanitizer's allocator is called by the names under which it exports it, so that no dlsym is
 * needed, which itself allocates.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum kind { KIND_MEMORY, KIND_DESCRIPTOR, KIND_THREAD, KIND_DISK };

/* The layout is known to tests/faults/inject.py. */
struct control {
    _Atomic uint32_t armed, kind, lasting, reserved;
    _Atomic uint64_t count, fail_at, failed;
    _Atomic int64_t offset_s;
};

static struct control *control;

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t count, size_t len);
void *__libc_realloc(void *p, size_t len);
void *__libc_memalign(size_t alignment, size_t len);
void *__interceptor_malloc(size_t len) __attribute__((weak));
void *__interceptor_calloc(size_t count, size_t len) __attribute__((weak));
void *__interceptor_realloc(void *p, size_t len) __attribute__((weak));
int __interceptor_posix_memalign(void **p, size_t alignment, size_t len) __attribute__((weak));

__attribute__((constructor)) static void open_control(void)
{
    const char *path = getenv("FAULTS_CONTROL");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *shared;

    if (fd < 0)
        return;
    shared = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared != MAP_FAILED)
        control = shared;
}

static bool fails(enum kind kind)
{
    uint64_t number, fail_at;

    if (control == NULL || atomic_load(&control->armed) == 0 ||
        atomic_load(&control->kind) != (uint32_t)kind)
        return false;
    number = atomic_fetch_add(&control->count, 1) + 1;
    fail_at = atomic_load(&control->fail_at);
    if (fail_at == 0 || number < fail_at ||
        (number > fail_at && atomic_load(&control->lasting) == 0))
        return false;
    atomic_fetch_add(&control->failed, 1);
    return true;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* A sanitizer that starts a thread asks where its stack is, and ends the process if memory lacks
 * for that: no fault of the daemon's. */
static __thread bool sanitizer_asks __attribute__((tls_model("initial-exec")));

int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    union {
        void *symbol;
        int (*call)(pthread_t, pthread_attr_t *);
    } next;
    int error;

    sanitizer_asks = __interceptor_malloc != NULL;
    next.symbol = dlsym(RTLD_NEXT, "pthread_getattr_np");
    error = next.call(thread, attr);
    sanitizer_asks = false;
    return error;
}

static bool memory_fails(void)
{
    if (sanitizer_asks || !fails(KIND_MEMORY))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t len)
{
    if (memory_fails())
        return NULL;
    return __interceptor_malloc != NULL ? __interceptor_malloc(len) : __libc_malloc(len);
}

void *calloc(size_t count, size_t len)
{
    if (memory_fails())
        return NULL;
    return __interceptor_calloc != NULL ? __interceptor_calloc(count, len)
                                        : __libc_calloc(count, len);
}

void *realloc(void *p, size_t len)
{
    if (len > 0 && memory_fails())
        return NULL;
    return __interceptor_realloc != NULL ? __interceptor_realloc(p, len) : __libc_realloc(p, len);
}

void *reallocarray(void *p, size_t count, size_t len)
{
    size_t total;

    if (__builtin_mul_overflow(count, len, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, total);
}

int posix_memalign(void **p, size_t alignment, size_t len)
{
    if (memory_fails())
        return ENOMEM;
    if (__interceptor_posix_memalign != NULL)
        return __interceptor_posix_memalign(p, alignment, len);
    *p = __libc_memalign(alignment, len);
    return *p != NULL ? 0 : ENOMEM;
}

/* --- descriptors and threads ------------------------------------------------------------------ */

static bool descriptor_fails(void)
{
    if (!fails(KIND_DESCRIPTOR))
        return false;
    errno = EMFILE;
    return true;
}

int socket(int domain, int type, int protocol)
{
    return descriptor_fails() ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int accept(int fd, __SOCKADDR_ARG address, socklen_t *restrict len)
{
    return descriptor_fails() ? -1 : (int)syscall(SYS_accept4, fd, address.__sockaddr__, len, 0);
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict len, int flags)
{
    return descriptor_fails() ? -1
                              : (int)syscall(SYS_accept4, fd, address.__sockaddr__, len, flags);
}

int pipe2(int fds[2], int flags)
{
    return descriptor_fails() ? -1 : (int)syscall(SYS_pipe2, fds, flags);
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

static int open_file(const char *path, int flags, mode_t mode)
{
    return descriptor_fails() ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_file(path, flags, mode);
}

/* Its name in programs with 64 bits for offsets. */
int open64(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_file(path, flags, mode);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *arg)
{
    union {
        void *symbol;
        __typeof__(&pthread_create) call;
    } next = {.symbol = dlsym(RTLD_NEXT, "pthread_create")};

    return fails(KIND_THREAD) ? EAGAIN : next.call(thread, attributes, run, arg);
}

/* --- disk: what is written to files, and files made ------------------------------------------- */

static bool is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool disk_fails(int fd)
{
    int saved = errno;
    bool result = control != NULL && is_file(fd) && fails(KIND_DISK);

    errno = result ? ENOSPC : saved;
    return result;
}

ssize_t write(int fd, const void *data, size_t len)
{
    return disk_fails(fd) ? -1 : syscall(SYS_write, fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return disk_fails(fd) ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    return disk_fails(fd) ? -1 : syscall(SYS_pwrite64, fd, data, len, at);
}

int ftruncate(int fd, off_t len)
{
    return disk_fails(fd) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int ftruncate64(int fd, off64_t len)
{
    return disk_fails(fd) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int fsync(int fd)
{
    return disk_fails(fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return disk_fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* --- the wall clock --------------------------------------------------------------------------- */

static time_t offset_s(void)
{
    return control != NULL ? (time_t)atomic_load(&control->offset_s) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    int result = (int)syscall(SYS_clock_gettime, clock, ts);

    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ts->tv_sec += offset_s();
    return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;

    (void)zone; /* no longer used */
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    if (out != NULL)
        *out = ts.tv_sec;
    return ts.tv_sec;
}
