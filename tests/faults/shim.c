/* What a host may do to a process: its clock jumps, its disk is full, its disk takes long to say that it has kept.
   The test writes into the book, which is a file that both have mapped; see shim.py for its fields. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct book { volatile long clock, hold, full, waiting, syncs, durable; };
static struct book nothing, *book = &nothing;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SHIM_BOOK");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *found = fd < 0 ? MAP_FAILED : mmap(0, sizeof *book, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    if (found != MAP_FAILED) book = found;
}

static int named(int fd, const char *ending) {
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return length >= (ssize_t)strlen(ending) && !strcmp(path + length - strlen(ending), ending);
}

int clock_gettime(clockid_t which, struct timespec *to) {
    int failed = syscall(SYS_clock_gettime, which, to);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) to->tv_sec += book->clock;
    return failed;
}

int gettimeofday(struct timeval *to, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}

static int kept(int fd, long number) {
    struct stat found;
    if (!named(fd, ".db-wal")) return syscall(number, fd);
    fstat(fd, &found);
    __sync_fetch_and_add(&book->waiting, 1);
    while (book->hold) usleep(1000);
    int failed = syscall(number, fd);
    if (!failed) {
        book->durable = found.st_size;
        __sync_fetch_and_add(&book->syncs, 1);
    }
    __sync_fetch_and_sub(&book->waiting, 1);
    return failed;
}

int fdatasync(int fd) { return kept(fd, SYS_fdatasync); }
int fsync(int fd) { return kept(fd, SYS_fsync); }

static int full(int fd) {
    if (!book->full || !(named(fd, ".db-wal") || named(fd, ".db"))) return 0;
    errno = ENOSPC;
    return 1;
}

ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at) {
    return full(fd) ? -1 : syscall(SYS_pwrite64, fd, from, count, at);
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t at) { return pwrite64(fd, from, count, at); }

ssize_t write(int fd, const void *from, size_t count) {
    return full(fd) ? -1 : syscall(SYS_write, fd, from, count);
}
