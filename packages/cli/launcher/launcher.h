/* What the parts of `trireme run` share. */
#ifndef TRIREME_LAUNCHER_H
#define TRIREME_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>

/** The exit status that says: the command was not run. */
#define NOT_RUN 125

/** Words that an option may give several times. */
struct words {
  const char **items;
  size_t count;
};

/** The command line of `trireme run`. */
struct options {
  const char *socket;
  const char *name;
  const char *user;
  struct words labels, ports, aliases;
  bool network_only;
  /** Seconds; negative where the user did not say. */
  int wait;
  /** Ends with a null pointer, as execvp(3) takes it. */
  char **command;
};

/** A growing text; `length` leaves out the closing zero. */
struct text {
  char *bytes;
  size_t length, capacity;
};

/** Says why the command was not run, in one line without control characters, and ends with 125. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *allocate(void *old, size_t bytes);

void append(struct text *text, const char *bytes);
/** Appends a JSON string (RFC 8259 section 7). */
void append_json(struct text *text, const char *word);
/** `"name":["a","b"]` */
void append_json_list(struct text *text, const char *name, const struct words *words);
/** The string behind the first `"message":` of a JSON text, or a null pointer. */
char *json_message(const char *json);

/** A connection to a daemon. */
struct daemon {
  const char *path;
  int fd;
};

/** A connection to a daemon that is ready. Waits for that as long as `wait` allows, and says so once. */
struct daemon await_daemon(const struct options *options);
/** Has the daemon make this process a PU, as an `EventBody` says. */
void activate(const struct daemon *daemon, const char *body);

#endif
