/* What the stub provider and the load generator share: the end of an HTTP/1.1 message, whatever its framing, and a clock. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define READ_MAX (256 * 1024)

enum framing { NONE, COUNTED, CHUNKED, UNTIL_CLOSE };
enum chunk { SIZE, EXTENSION, DATA, DATA_END, TRAILER, TRAILER_LINE };

struct body {
  enum framing framing;
  enum chunk at;
  uint64_t left;  /* of a counted body, or of the chunk */
  uint64_t bytes; /* of the body so far, without framing */
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

/* Two thousand clients need as many descriptors. */
static void allow_many_files(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/* The value of a header, or NULL. `name` is lower case with its colon. `head` ends with a zero. */
static const char *header(const char *head, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, length) != 0) continue;
    line += 2 + length;
    return line + strspn(line, " \t");
  }
  return NULL;
}

/* Read from a head how its body will end. `otherwise` holds where the head does not say. */
static void begin_body(struct body *body, const char *head, enum framing otherwise) {
  const char *length = header(head, "content-length:");
  const char *encoding = header(head, "transfer-encoding:");
  memset(body, 0, sizeof *body);
  body->framing = otherwise;
  if (encoding && strncasecmp(encoding, "chunked", 7) == 0) body->framing = CHUNKED;
  else if (length) {
    body->framing = COUNTED;
    body->left = strtoull(length, NULL, 10);
  }
}

/* Take what arrived of a body; 1 once it is whole. */
static int take(struct body *body, const char *data, size_t size) {
  if (body->framing == NONE) return 1;
  if (body->framing == UNTIL_CLOSE) {
    body->bytes += size;
    return 0;
  }
  if (body->framing == COUNTED) {
    body->bytes += size;
    body->left -= size < body->left ? size : body->left;
    return body->left == 0;
  }
  for (size_t at = 0; at < size;) {
    char c = data[at];
    switch (body->at) {
      case SIZE:
        at += 1;
        if (c >= '0' && c <= '9') body->left = body->left * 16 + (c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f') body->left = body->left * 16 + ((c | 32) - 'a' + 10);
        else if (c == '\n') body->at = body->left > 0 ? DATA : TRAILER;
        else body->at = EXTENSION;
        break;
      case EXTENSION:
        at += 1;
        if (c == '\n') body->at = body->left > 0 ? DATA : TRAILER;
        break;
      case DATA: {
        size_t part = size - at < body->left ? size - at : body->left;
        body->bytes += part;
        body->left -= part;
        at += part;
        if (body->left == 0) body->at = DATA_END;
        break;
      }
      case DATA_END:
        at += 1;
        if (c == '\n') body->at = SIZE;
        break;
      case TRAILER: /* an empty line ends the message */
        at += 1;
        if (c == '\n') return 1;
        if (c != '\r') body->at = TRAILER_LINE;
        break;
      case TRAILER_LINE:
        at += 1;
        if (c == '\n') body->at = TRAILER;
        break;
    }
  }
  return 0;
}
