/* The daemon: where its socket is, whether it is ready, and what it answers. HTTP/1.1 over a unix socket, one request a connection. */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/** Where daemons put their sockets unless the configuration says otherwise. */
#define SOCKET_FOLDER "/run/trireme"
/** How long a daemon may take to appear, and one that is there to become ready. */
#define APPEAR_MS 10000
#define READY_MS 60000
/** For an answer: longer than an activation takes even when fifty go on at once. */
#define ANSWER_MS 60000
#define PAUSE_MS 25
#define MAX_ANSWER_BYTES 65536

/** What one look at a socket showed. */
enum outcome { READY, ABSENT, STARTING };

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static bool is_listening(const char *path, int *error) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket: %s", strerror(errno));
  strcpy(address.sun_path, path);
  bool is_connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  *error = is_connected ? 0 : errno;
  close(fd);
  return is_connected;
}

/** Users who are not root have sockets of their own. */
static void socket_folder(char *folder, size_t size) {
  if (geteuid() == 0) snprintf(folder, size, "%s", SOCKET_FOLDER);
  else snprintf(folder, size, "%s/users/%u", SOCKET_FOLDER, (unsigned)geteuid());
}

/** The only socket in a folder on which a daemon listens; a null pointer where there is none. */
static char *only_socket(const char *folder) {
  DIR *directory = opendir(folder);
  char *found = NULL;
  if (directory == NULL) return NULL;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    const char *end = strrchr(entry->d_name, '.');
    char path[sizeof ((struct sockaddr_un *)0)->sun_path];
    int error;
    if (end == NULL || strcmp(end, ".sock") != 0) continue;
    if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) continue;
    if (!is_listening(path, &error) && error != EACCES) continue;
    if (found != NULL) fail("more than one daemon is running here: name one with --socket %s or %s", found, path);
    found = strdup(path);
  }
  closedir(directory);
  return found;
}

/** Why there is no daemon to ask. */
static _Noreturn void fail_without_daemon(const struct options *options, const char *folder) {
  if (options->socket != NULL) {
    fail("no daemon answers on %s: start one with `trireme daemon --config FILE`", options->socket);
  }
  if (geteuid() != 0 && access(SOCKET_FOLDER, X_OK) == 0) {
    fail("daemons may be running here, and none that you may use (no %s/*.sock): root names you under `users` in its configuration", folder);
  }
  fail("no daemon is running here (no %s/*.sock): start one with `trireme daemon --config FILE`, or name its socket with --socket", folder);
}

static void wait_for(int fd, short events, long long deadline, const char *path) {
  struct pollfd waiting = {.fd = fd, .events = events};
  for (;;) {
    long long left = deadline - now_ms();
    if (left <= 0) fail("the daemon on %s did not answer within %d ms", path, ANSWER_MS);
    int ready = poll(&waiting, 1, (int)left);
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) fail("poll: %s", strerror(errno));
  }
}

static void send_all(int fd, const struct text *request, long long deadline, const char *path) {
  for (size_t sent = 0; sent < request->length;) {
    wait_for(fd, POLLOUT, deadline, path);
    ssize_t count = send(fd, request->bytes + sent, request->length - sent, MSG_NOSIGNAL);
    // An answer may be there although the rest of the request is not wanted.
    if (count < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
    if (count < 0 && errno != EINTR) fail("the daemon on %s did not answer: %s", path, strerror(errno));
    if (count > 0) sent += (size_t)count;
  }
}

/** The whole answer, until the daemon closes. */
static char *receive_all(int fd, long long deadline, const char *path) {
  char *answer = allocate(NULL, MAX_ANSWER_BYTES + 1);
  size_t length = 0;
  for (;;) {
    wait_for(fd, POLLIN, deadline, path);
    ssize_t count = recv(fd, answer + length, MAX_ANSWER_BYTES - length, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    length += (size_t)count;
  }
  answer[length] = 0;
  return answer;
}

/** A connection, or -1 where no daemon listens. */
static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail("socket %s: expected a path of at most 107 bytes", path);
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket: %s", strerror(errno));
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  if (errno == EACCES) fail("not allowed to use %s: run this as root, or as a user whom the daemon's configuration names", path);
  if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN) fail("%s: %s", path, strerror(errno));
  close(fd);
  return -1;
}

/** The status of the daemon's answer to one request, or 0 where it left without any. Closes the connection. */
static int ask(const struct daemon *daemon, const struct text *request, char **body) {
  int status = 0;
  long long deadline = now_ms() + ANSWER_MS;
  send_all(daemon->fd, request, deadline, daemon->path);
  char *answer = receive_all(daemon->fd, deadline, daemon->path);
  close(daemon->fd);
  const char *end = strstr(answer, "\r\n\r\n");
  if (*answer != 0 && (end == NULL || sscanf(answer, "HTTP/1.1 %3d", &status) != 1)) {
    fail("%s answered something else than HTTP: no trireme daemon?", daemon->path);
  }
  if (body != NULL) *body = strdup(end != NULL ? end + 4 : "");
  free(answer);
  return status;
}

/** Nothing is there for GET, which costs nothing, and which only a daemon that is ready says. */
static enum outcome probe(const char *path) {
  struct text request = {0};
  struct daemon daemon = {.path = path, .fd = connect_to(path)};
  if (daemon.fd < 0) return ABSENT;
  append(&request, "GET /v1/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  int status = ask(&daemon, &request, NULL);
  free(request.bytes);
  return status == 0 ? ABSENT : status == 503 ? STARTING : READY;
}

struct daemon await_daemon(const struct options *options) {
  char folder[64];
  long long began = now_ms();
  bool has_said = false;
  socket_folder(folder, sizeof folder);
  for (;;) {
    const char *path = options->socket != NULL ? options->socket : only_socket(folder);
    enum outcome outcome = path == NULL ? ABSENT : probe(path);
    struct daemon daemon = {.path = path, .fd = outcome == READY ? connect_to(path) : -1};
    if (daemon.fd >= 0) return daemon;
    long long limit = options->wait >= 0 ? options->wait * 1000LL : outcome == ABSENT ? APPEAR_MS : READY_MS;
    if (now_ms() - began >= limit) {
      if (outcome == STARTING) fail("the daemon on %s is not ready after %lld s", path, limit / 1000);
      fail_without_daemon(options, folder);
    }
    if (!has_said) {
      fprintf(stderr, "trireme: waiting %lld s at most for the daemon%s%s\n", limit / 1000, path ? " on " : "", path ? path : "");
    }
    has_said = true;
    poll(NULL, 0, PAUSE_MS);
  }
}

void activate(const struct daemon *daemon, const char *body) {
  struct text request = {0};
  char length[32];
  char *answer;
  snprintf(length, sizeof length, "%zu\r\n\r\n", strlen(body));
  append(&request, "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
  append(&request, "content-type: application/json\r\ncontent-length: ");
  append(&request, length);
  append(&request, body);
  int status = ask(daemon, &request, &answer);
  free(request.bytes);
  if (status == 200) {
    free(answer);
    return;
  }
  if (status == 0) fail("the daemon on %s went away", daemon->path);
  const char *message = json_message(answer);
  fail("%s", message != NULL ? message : "the daemon failed without a reason");
}
