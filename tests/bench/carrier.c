/* The floors' sink (floor/sink.c) as a carrier that keeps a book: when each request was read, and of which message.
 *
 *   carrier PORT DELAY_MS BOOK MOST
 *
 * BOOK is a file: the count, then for each request its CLOCK_MONOTONIC nanoseconds and the number after "key=" in it
 * (0 for none), as 64-bit integers. The sink drops each request that is whole by one memmove: there it is noted. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef struct { int64_t at, key; } Line;
static struct { int64_t count; Line lines[]; } *book;
static int64_t most;

static void note(const char *request, const char *end) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (book->count == most) return;
    const char *key = memmem(request, end - request, "key=", 4);
    book->lines[book->count] = (Line){t.tv_sec * 1000000000LL + t.tv_nsec, key ? atoll(key + 4) : 0};
    __atomic_store_n(&book->count, book->count + 1, __ATOMIC_RELEASE);
}

#define memmove(to, from, size) (note(to, from), memmove(to, from, size))
#define main sink
#include "floor/sink.c"
#undef main

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    most = atoll(argv[4]);
    size_t size = sizeof *book + most * sizeof(Line);
    int file = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, size)) { perror(argv[3]); return 1; }
    book = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (book == MAP_FAILED) { perror("mmap"); return 1; }
    return sink(3, argv);
}
