/* Keeps requests in flight over keep-alive connections and tells how they were answered, in one line of JSON.
 *
 *   load PORT CONNECTIONS SECONDS START EXPECT FILE
 *
 * FILE holds whole requests, parted by NUL, that go out in turn to 127.0.0.1:PORT. In each, ten '#' in a row become a
 * US number that no request with another number of its own has, and twelve '@' a serial; both count from START.
 * An answer is good when its status is 200 and its body holds EXPECT; its Content-Length must be told.
 * Answers that come after SECONDS are waited for and counted as late, not in the rate. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 65536, MOST = 4096, PATIENCE_MS = 15000 };
static const int64_t NUMBERS = 68000000; /* 10 area codes, 680 exchanges, 10,000 lines: all valid, as the floor's were */
static const char *const AREAS[] = {"301", "415", "212", "713", "206", "305", "404", "503", "617", "702"};

typedef struct {
    int fd, busy;
    int64_t begun;
    size_t have;
    char in[ROOM];
} Connection;

static int port, epoll;
static const char *expected;
static char *requests[MOST], first_error[300];
static size_t lengths[MOST], phones[MOST], serials[MOST]; /* where the marks stand; 0 for none */
static int kinds, sent_kind;
static int64_t serial, ends_at, sent, good, late, errors, *took;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static size_t place(const char *request, size_t length, const char *mark) {
    char *found = memmem(request, length, mark, strlen(mark));
    return found ? (size_t)(found - request) : 0;
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) die(path);
    size_t room = 0;
    ssize_t length;
    while (kinds < MOST && (length = getdelim(&requests[kinds], &room, '\0', file)) > 0) {
        length -= requests[kinds][length - 1] == '\0';
        lengths[kinds] = length;
        phones[kinds] = place(requests[kinds], length, "##########");
        serials[kinds] = place(requests[kinds], length, "@@@@@@@@@@@@");
        kinds++;
        room = 0;
    }
    fclose(file);
    if (!kinds) die("no request");
}

static void dial(Connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (void *)&to, sizeof to)) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
    c->have = 0;
}

static void send_next(Connection *c) {
    int kind = sent_kind++ % kinds;
    char *request = requests[kind], text[32];
    if (phones[kind]) {
        int64_t n = (serial % NUMBERS * 48271) % NUMBERS; /* 48271 shares no divisor with it: each number once */
        snprintf(text, sizeof text, "%s%03d%04d", AREAS[n / 6800000], (int)(n / 10000 % 680) + 220, (int)(n % 10000));
        memcpy(request + phones[kind], text, 10);
    }
    if (serials[kind]) {
        snprintf(text, sizeof text, "%012lld", (long long)serial);
        memcpy(request + serials[kind], text, 12);
    }
    serial++;
    sent++;
    c->busy = 1;
    c->have = 0;
    c->begun = now();
    for (size_t done = 0; done < lengths[kind];) {
        ssize_t n = write(c->fd, request + done, lengths[kind] - done);
        if (n <= 0) break; /* the read that follows tells of it */
        done += n;
    }
}

/* The length of the whole answer, 0 while its header is not here, -1 where it tells no length. */
static ssize_t whole(Connection *c, char **body) {
    c->in[c->have] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return 0;
    *body = end + 4;
    char *told = strcasestr(c->in, "\r\ncontent-length:");
    return told && told < end ? (*body - c->in) + atol(told + 17) : -1;
}

static void note_error(Connection *c, const char *why) {
    if (!errors++) snprintf(first_error, sizeof first_error, "%s: %.*s", why, (int)(c->have < 220 ? c->have : 220), c->in);
}

static void turn(Connection *c, int redial) {
    int64_t at = now();
    c->busy = 0;
    if (redial) close(c->fd);
    if (at >= ends_at) return;
    if (redial) dial(c);
    send_next(c);
}

static void answered(Connection *c, const char *body) {
    int64_t at = now();
    if (strncmp(c->in, "HTTP/1.1 200", 12) || !strstr(body, expected))
        note_error(c, "answer");
    else if (at > ends_at)
        late++;
    else
        took[good++] = at - c->begun;
    turn(c, 0);
}

static void take(Connection *c) {
    ssize_t n = read(c->fd, c->in + c->have, ROOM - 1 - c->have), length;
    char *body = NULL;
    if (n <= 0) {
        if (c->busy) note_error(c, "closed");
        turn(c, 1);
        return;
    }
    c->have += n;
    length = whole(c, &body);
    if (length < 0 || (length == 0 && c->have == ROOM - 1)) {
        note_error(c, "no length");
        turn(c, 1);
    } else if (length && c->have >= (size_t)length)
        answered(c, body);
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_text(const char *text) {
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : (unsigned char)*text < 32 ? " " : "%c", *text);
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    port = atoi(argv[1]);
    int connections = atoi(argv[2]);
    double seconds = atof(argv[3]);
    serial = atoll(argv[4]);
    int64_t start = serial;
    expected = argv[5];
    read_requests(argv[6]);
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(0);
    took = malloc(sizeof *took * (size_t)(seconds * 200000 + 1000000));
    Connection *all = calloc(connections, sizeof *all);
    if (!took || !all) die("memory");
    for (int i = 0; i < connections; i++) dial(&all[i]);
    int64_t begun = now();
    ends_at = begun + (int64_t)(seconds * 1e9);
    for (int i = 0; i < connections; i++) send_next(&all[i]);
    for (int waiting = connections; waiting;) {
        struct epoll_event ready[256];
        int n = epoll_wait(epoll, ready, 256, PATIENCE_MS);
        for (int i = 0; i < n; i++) take(ready[i].data.ptr);
        waiting = 0;
        for (int i = 0; i < connections; i++) waiting += all[i].busy;
        if (n == 0) {
            for (int i = 0; i < connections; i++)
                if (all[i].busy) note_error(&all[i], "no answer");
            break;
        }
    }
    qsort(took, good, sizeof *took, ascending);
    printf("{\"sent\": %lld, \"good\": %lld, \"late\": %lld, \"errors\": %lld, \"seconds\": %.3f, \"per_s\": %.1f, "
           "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"next\": %lld, \"first_error\": \"",
           (long long)sent, (long long)good, (long long)late, (long long)errors, seconds, good / seconds,
           good ? took[good / 2] / 1e6 : 0, good ? took[good * 99 / 100] / 1e6 : 0, (long long)(start + sent));
    print_text(first_error);
    puts("\"}");
    return 0;
}
