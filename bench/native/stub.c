/*
 * The provider of the benchmark: answers from memory, after a delay where it is told to. One thread, so that it takes one core at most.
 *
 *   stub PORT NAME:DELAY_MS:TYPE:FILE...
 *
 * GET /received tells the bytes of the body that came last.
 * A request is answered with the FILE whose NAME is the last segment of its path, or else stands as "NAME" in its body's beginning.
 */
#define _GNU_SOURCE
#include "http.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

struct client;

struct answer {
  char name[64];
  double delay;
  char head[256];
  size_t head_size;
  char *body;
  size_t body_size;
  struct client *first, *last; /* who waits for it, in order: the delay is the same for all */
};

struct client {
  int fd;
  char head[HEAD_MAX + 1]; /* the request's head and the beginning of its body */
  size_t have, head_size;
  struct body body;
  struct answer *answer;
  size_t sent;
  double due;
  int waiting, gone;
  struct client *next;
};

static struct answer answers[32];
static char received[32] = "0                   "; /* always 20 characters */
static int answer_count, events, timer;
static char buffer[READ_MAX];

static void watch(struct client *client, uint32_t what) {
  struct epoll_event event = {.events = what, .data.ptr = client};
  epoll_ctl(events, EPOLL_CTL_MOD, client->fd, &event);
}

static void leave(struct client *client) {
  close(client->fd);
  client->gone = 1;
  if (!client->waiting) free(client);
}

/* Send what is left of the answer, and be ready for the next request once it is out. */
static void answer(struct client *client) {
  struct answer *answer = client->answer;
  size_t total = answer->head_size + answer->body_size;
  while (client->sent < total) {
    struct iovec parts[2];
    int count = 0;
    if (client->sent < answer->head_size)
      parts[count++] = (struct iovec){answer->head + client->sent, answer->head_size - client->sent};
    size_t from = client->sent < answer->head_size ? 0 : client->sent - answer->head_size;
    parts[count++] = (struct iovec){answer->body + from, answer->body_size - from};
    ssize_t wrote = writev(client->fd, parts, count);
    if (wrote < 0) {
      if (errno == EAGAIN) watch(client, EPOLLOUT);
      else leave(client);
      return;
    }
    client->sent += wrote;
  }
  client->answer = NULL;
  client->have = client->head_size = client->sent = 0;
  watch(client, EPOLLIN);
}

/* Ring when the first of those who wait is due. */
static void wind_up(void) {
  double due = 0;
  for (int i = 0; i < answer_count; i++)
    if (answers[i].first && (due == 0 || answers[i].first->due < due)) due = answers[i].first->due;
  struct itimerspec at = {0};
  at.it_value.tv_sec = (time_t)due;
  at.it_value.tv_nsec = (long)((due - (time_t)due) * 1e9);
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void ring(void) {
  uint64_t count;
  if (read(timer, &count, sizeof count) < 0 && errno != EAGAIN) die("timer");
  double time = now();
  for (int i = 0; i < answer_count; i++) {
    while (answers[i].first && answers[i].first->due <= time) {
      struct client *client = answers[i].first;
      answers[i].first = client->next;
      client->waiting = 0;
      if (client->gone) free(client);
      else answer(client);
    }
  }
  wind_up();
}

static struct answer *find(struct client *client) {
  char *space = strchr(client->head, ' ');
  char *end = space ? strchr(space + 1, ' ') : NULL;
  for (int i = 0; i < answer_count; i++) {
    char quoted[70];
    size_t length = strlen(answers[i].name);
    if (end && (size_t)(end - space) > length + 1 && end[-(long)length - 1] == '/' && strncmp(end - length, answers[i].name, length) == 0)
      return &answers[i];
    snprintf(quoted, sizeof quoted, "\"%s\"", answers[i].name);
    if (memmem(client->head + client->head_size, client->have - client->head_size, quoted, length + 2)) return &answers[i];
  }
  return NULL;
}

static void whole(struct client *client) {
  if (client->body.framing != NONE) snprintf(received, sizeof received, "%-20llu", (unsigned long long)client->body.bytes);
  client->answer = find(client);
  if (!client->answer) {
    fprintf(stderr, "nothing to answer: %.80s\n", client->head);
    leave(client);
  } else if (client->answer->delay == 0) {
    answer(client);
  } else {
    struct answer *answer = client->answer;
    client->due = now() + answer->delay;
    client->waiting = 1;
    client->next = NULL;
    if (answer->first) answer->last->next = client;
    else answer->first = client;
    answer->last = client;
    wind_up();
  }
}

static void receive(struct client *client) {
  ssize_t got = recv(client->fd, buffer, sizeof buffer, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return leave(client);
  if (client->answer) return; /* nobody sends before he has his answer */
  size_t room = HEAD_MAX - client->have;
  size_t kept = (size_t)got < room ? (size_t)got : room;
  memcpy(client->head + client->have, buffer, kept);
  size_t before = client->have;
  client->have += kept;
  client->head[client->have] = 0;
  size_t body_from = 0;
  if (client->head_size == 0) {
    char *end = strstr(client->head, "\r\n\r\n");
    if (!end) {
      if (client->have == HEAD_MAX) leave(client);
      return;
    }
    client->head_size = end + 4 - client->head;
    end[2] = 0;
    begin_body(&client->body, client->head, NONE);
    end[2] = '\r';
    if (client->body.framing == COUNTED && client->body.left == 0) client->body.framing = NONE;
    body_from = client->head_size - before;
  }
  if (take(&client->body, buffer + body_from, got - body_from)) whole(client);
}

static size_t write_head(struct answer *answer, const char *type) {
  const char *head = "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n";
  return snprintf(answer->head, sizeof answer->head, head, type, answer->body_size);
}

static void load(char *spec) {
  struct answer *answer = &answers[answer_count++];
  char *delay = strchr(spec, ':'), *type = delay ? strchr(delay + 1, ':') : NULL, *path = type ? strchr(type + 1, ':') : NULL;
  if (!path || answer_count > 31) exit(2);
  *delay = *type = *path = 0;
  snprintf(answer->name, sizeof answer->name, "%s", spec);
  answer->delay = atof(delay + 1) / 1000;
  FILE *file = fopen(path + 1, "rb");
  if (!file) die(path + 1);
  fseek(file, 0, SEEK_END);
  answer->body_size = ftell(file);
  rewind(file);
  answer->body = malloc(answer->body_size + 1);
  if (fread(answer->body, 1, answer->body_size, file) != answer->body_size) die(path + 1);
  fclose(file);
  answer->head_size = write_head(answer, type + 1);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  struct answer *told = &answers[answer_count++];
  *told = (struct answer){.name = "received", .body = received, .body_size = 20};
  told->head_size = write_head(told, "text/plain");
  for (int i = 2; i < argc; i++) load(argv[i]);
  allow_many_files();
  events = epoll_create1(0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(server, (struct sockaddr *)&address, sizeof address) < 0 || listen(server, 4096) < 0) die("listen");
  static int listening, ringing;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listening};
  epoll_ctl(events, EPOLL_CTL_ADD, server, &event);
  event.data.ptr = &ringing;
  epoll_ctl(events, EPOLL_CTL_ADD, timer, &event);
  for (;;) {
    struct epoll_event ready[256];
    int count = epoll_wait(events, ready, 256, -1);
    for (int i = 0; i < count; i++) {
      if (ready[i].data.ptr == &ringing) ring();
      else if (ready[i].data.ptr != &listening) {
        struct client *client = ready[i].data.ptr;
        if (ready[i].events & EPOLLOUT) answer(client);
        else receive(client);
      } else
        for (int fd; (fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
          struct client *client = calloc(1, sizeof *client);
          client->fd = fd;
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
          event = (struct epoll_event){.events = EPOLLIN, .data.ptr = client};
          epoll_ctl(events, EPOLL_CTL_ADD, fd, &event);
        }
    }
  }
}
