/*
 * The load of the benchmark. One thread, keep-alive, one request at a time on each connection.
 *
 *   load PORT REQUEST_FILE CONNECTIONS SECONDS RATE MOST
 *
 * RATE 0: each connection asks again as soon as it has its answer. Otherwise so many requests a second are due, and a request's time
 * counts from when it was due, so that a slow server is not spared the requests it kept waiting. MOST: requests in all, 0 for no limit.
 * After SECONDS nothing new is begun, and what is under way is waited for. Ten zeros after a # in the request are replaced by the number
 * of each request, so that no two are the same. Prints one line of JSON, times in milliseconds.
 */
#define _GNU_SOURCE
#include "http.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

struct connection {
  int fd; /* -1: not connected */
  char head[HEAD_MAX + 1];
  size_t have, head_size, sent;
  uint64_t number;
  struct body body;
  int busy, status;
  double due, first;
  struct connection *next_idle;
};

static char buffer[READ_MAX];
static char *request, *numbered; /* numbered: where each request's number goes; NULL for none */
static size_t request_size;
static int events, port, busy;
static double rate, begun, until;
static uint64_t started, failed, most;
static uint64_t least_bytes = UINT64_MAX, most_bytes, all_bytes;
static float *times, *firsts;
static size_t done, room;
static struct connection *idle;

static void send_more(struct connection *c);

static int wanted(void) { return (most == 0 || started < most) && now() < until; }

static void fail(struct connection *c, const char *why) {
  if (failed++ == 0) fprintf(stderr, "%s (status %d): %.300s\n", why, c->status, c->have ? c->head : strerror(errno));
}

static void begin(struct connection *c, double due) {
  if (c->fd < 0) {
    int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(events, EPOLL_CTL_ADD, c->fd, &event);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) die("connect");
  }
  c->have = c->head_size = c->sent = 0;
  c->busy = 1;
  c->status = 0;
  c->due = due;
  busy += 1;
  c->number = started++;
  send_more(c);
}

static void watch(struct connection *c, uint32_t what) {
  struct epoll_event event = {.events = what, .data.ptr = c};
  epoll_ctl(events, EPOLL_CTL_MOD, c->fd, &event);
}

static void disconnect(struct connection *c) {
  close(c->fd);
  c->fd = -1;
}

/* A request is over, one way or the other. */
static void end(struct connection *c) {
  busy -= 1;
  c->busy = 0;
  if (rate == 0) {
    if (wanted()) begin(c, now());
  } else {
    c->next_idle = idle;
    idle = c;
  }
}

static void finish(struct connection *c, int keep) {
  if (c->status != 200) fail(c, "not answered with 200");
  else {
    if (done == room) {
      room = room ? room * 2 : 65536;
      times = realloc(times, room * sizeof *times);
      firsts = realloc(firsts, room * sizeof *firsts);
    }
    times[done] = (now() - c->due) * 1000;
    firsts[done++] = (c->first - c->due) * 1000;
    all_bytes += c->body.bytes;
    if (c->body.bytes < least_bytes) least_bytes = c->body.bytes;
    if (c->body.bytes > most_bytes) most_bytes = c->body.bytes;
  }
  if (!keep) disconnect(c);
  end(c);
}

static void send_more(struct connection *c) {
  if (numbered) {
    char digits[11];
    snprintf(digits, sizeof digits, "%010llu", (unsigned long long)c->number % 10000000000ULL);
    memcpy(numbered, digits, 10);
  }
  while (c->sent < request_size) {
    ssize_t wrote = send(c->fd, request + c->sent, request_size - c->sent, MSG_NOSIGNAL);
    if (wrote < 0) {
      if (errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN) return watch(c, EPOLLOUT | EPOLLIN);
      fail(c, "could not send");
      disconnect(c);
      return end(c);
    }
    c->sent += wrote;
  }
  watch(c, EPOLLIN);
}

static void receive(struct connection *c) {
  ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (!c->busy) return disconnect(c);
  if (got <= 0) {
    if (got == 0 && c->head_size && c->body.framing == UNTIL_CLOSE) return finish(c, 0);
    fail(c, "cut off");
    disconnect(c);
    return end(c);
  }
  size_t from = 0;
  if (c->head_size == 0) {
    if (c->have == 0) c->first = now();
    size_t kept = (size_t)got < HEAD_MAX - c->have ? (size_t)got : HEAD_MAX - c->have;
    memcpy(c->head + c->have, buffer, kept);
    c->head[c->have + kept] = 0;
    char *stop = strstr(c->head, "\r\n\r\n");
    if (!stop) {
      c->have += kept;
      return;
    }
    c->head_size = stop + 4 - c->head;
    from = c->head_size - c->have;
    c->have += kept;
    c->status = atoi(c->head + 9);
    stop[2] = 0;
    begin_body(&c->body, c->head, UNTIL_CLOSE);
    stop[2] = '\r';
    /* An empty body has no byte to end with. */
    if (c->body.framing == COUNTED && c->body.left == 0) return finish(c, 1);
  }
  if (take(&c->body, buffer + from, got - from)) finish(c, 1);
}

static int order(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void print_times(const char *name, float *list) {
  qsort(list, done, sizeof *list, order);
#define AT(p) (done ? list[(size_t)((done - 1) * (p))] : 0.0)
  printf("\"%s\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, AT(0.5), AT(0.9), AT(0.99), AT(1));
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  port = atoi(argv[1]);
  FILE *file = fopen(argv[2], "rb");
  if (!file) die(argv[2]);
  fseek(file, 0, SEEK_END);
  request_size = ftell(file);
  rewind(file);
  request = malloc(request_size);
  if (fread(request, 1, request_size, file) != request_size) die(argv[2]);
  char *mark = memmem(request, request_size, "#0000000000", 11);
  if (mark) numbered = mark + 1;
  int count = atoi(argv[3]);
  rate = atof(argv[5]);
  most = strtoull(argv[6], NULL, 10);
  allow_many_files();
  events = epoll_create1(0);
  struct connection *connections = calloc(count, sizeof *connections);
  begun = now();
  until = begun + atof(argv[4]);

  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(events, EPOLL_CTL_ADD, timer, &event);
  uint64_t due = 0, planned = (uint64_t)(atof(argv[4]) * rate);
  for (int i = count - 1; i >= 0; i--) {
    connections[i].fd = -1;
    connections[i].next_idle = idle;
    idle = &connections[i];
  }
  if (rate == 0)
    for (int i = 0; i < count && wanted(); i++) begin(&connections[i], now());

  while (busy > 0 || (rate > 0 && due < planned)) {
    /* What is due and has no connection yet waits for one; its time counts all the same. */
    while (due < planned && idle && begun + due / rate <= now()) {
      struct connection *c = idle;
      idle = c->next_idle;
      begin(c, begun + due++ / rate);
    }
    if (due < planned && idle) {
      double next = begun + due / rate;
      struct itimerspec at = {0};
      at.it_value.tv_sec = (time_t)next;
      at.it_value.tv_nsec = (long)((next - (time_t)next) * 1e9);
      timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    }
    if (now() > until + 120) break;
    struct epoll_event ready[256];
    int found = epoll_wait(events, ready, 256, 1000);
    for (int i = 0; i < found; i++) {
      struct connection *c = ready[i].data.ptr;
      uint64_t rings;
      if (!c) {
        if (read(timer, &rings, sizeof rings) < 0 && errno != EAGAIN) die("timer");
      } else if (c->fd >= 0 && (ready[i].events & EPOLLIN)) receive(c);
      else if (c->fd >= 0 && c->busy && c->sent < request_size) send_more(c);
      else if (c->fd >= 0 && (ready[i].events & (EPOLLHUP | EPOLLERR))) receive(c);
    }
  }
  printf("{\"seconds\":%.6f,\"done\":%zu,\"failed\":%lu,\"bytes\":%lu,\"leastBytes\":%lu,\"mostBytes\":%lu,", now() - begun, done,
         (unsigned long)(failed + busy), (unsigned long)all_bytes, (unsigned long)(done ? least_bytes : 0), (unsigned long)most_bytes);
  print_times("time", times);
  printf(",");
  print_times("first", firsts);
  printf("}\n");
  return 0;
}
