/* Reads what is ready on many sockets, as long as it is rows: whole event frames of one length that follow each
 * other by a known step.  What is anything else is left to the caller, who reads it in Python (counting.py).
 * native.py compiles this and names the same fields in the same order. */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { PASSED, UNREAD, UNEXPECTED };
enum { MOST = 8192, HEAD = 4, STRICTLY_EVERY = 16 };

struct tally {
    int64_t events, last;
    int32_t strict, timed, reads;
};

struct reading {
    int64_t length, step;             /* of a row, in bytes; between two rows, in sequence numbers */
    int64_t sequence_at, sequence_to; /* where digits stand in a row */
    int64_t time_at, time_to;
    char head[8];                     /* the first HEAD bytes of every row */
    int64_t reads, bytes;             /* done here, since the caller last looked */
    int64_t oldest_count, sample_count;
    int64_t *oldest, *sample, times;  /* nanoseconds: of the first row of a read, of all rows of the strict */
    struct tally **tallies;           /* by descriptor; NULL: the caller reads it */
    int64_t descriptors;
    char *buffer;
    int64_t buffer_bytes;
    int64_t until;                    /* when to stop, nanoseconds of CLOCK_MONOTONIC */
    int64_t ready, next;              /* sockets that had something at the last look, and how many are done */
    int64_t descriptor, got;          /* what is left to the caller */
};

static struct epoll_event events[MOST];

int64_t size_of_reading(void) { return sizeof(struct reading); }

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t number(const char *row, int64_t at, int64_t to) {
    int64_t value = 0;
    for (; at < to; at++) value = value * 10 + (row[at] - '0');
    return value;
}

/* Counts the rows of the buffer if they are the next ones of this client, all of them. */
static int count(struct reading *r, struct tally *tally, int64_t got, int64_t received) {
    int64_t rows = got / r->length, last = tally->last, samples = r->sample_count;
    if (!rows || rows * r->length != got || got == r->buffer_bytes || samples + rows > r->times) return 0;
    for (const char *row = r->buffer; row < r->buffer + got; row += r->length) {
        last += r->step;
        if (memcmp(row, r->head, HEAD) || number(row, r->sequence_at, r->sequence_to) != last) return 0;
        if (tally->strict) r->sample[samples++] = received - number(row, r->time_at, r->time_to);
    }
    if (tally->timed && r->oldest_count < r->times)
        r->oldest[r->oldest_count++] = received - number(r->buffer, r->time_at, r->time_to);
    r->sample_count = samples;
    tally->events += rows;
    tally->last = last;
    return 1;
}

/* PASSED: all that was ready is read, or it is time to stop.  UNREAD: read `descriptor` yourself.  UNEXPECTED: `got`
 * bytes of it stand in the buffer and are not counted (0: its end; -errno).  After either, call again to go on. */
int read_rows(int epoll, int wait_ms, struct reading *r) {
    if (r->next >= r->ready) {
        int found = epoll_wait(epoll, events, MOST, wait_ms);
        r->next = 0;
        r->ready = found < 0 ? 0 : found;
    }
    int64_t received;
    while (r->next < r->ready && (received = now()) < r->until) {
        int descriptor = events[r->next++].data.fd;
        struct tally *tally = descriptor < r->descriptors ? r->tallies[descriptor] : NULL;
        r->descriptor = descriptor;
        if (!tally || (tally->strict && tally->reads++ % STRICTLY_EVERY == 0)) return UNREAD;
        ssize_t got = recv(descriptor, r->buffer, r->buffer_bytes, MSG_DONTWAIT);
        r->got = got < 0 ? -errno : got;
        if (r->got == -EAGAIN) continue;
        if (got > 0) {
            r->reads++;
            r->bytes += got;
        }
        if (got <= 0 || !count(r, tally, got, received)) return UNEXPECTED;
    }
    return PASSED;
}
