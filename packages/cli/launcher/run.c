/*
 * `trireme run [OPTIONS] -- COMMAND...`: this process becomes a processing unit, and then the command (exec). Signals, terminal, job
 * control and exit status are the command's own. Ends with 125 where the command was not run, 126 and 127 as shells do.
 */
#include "launcher.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_WAIT_S 3600

static void add(struct words *words, const char *word) {
  words->items = allocate(words->items, (words->count + 1) * sizeof *words->items);
  words->items[words->count++] = word;
}

static int parse_wait(const char *text) {
  char *end;
  errno = 0;
  long seconds = strtol(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != 0 || errno != 0 || seconds > MAX_WAIT_S) {
    fail("--wait %s: expected seconds from 0 to %d", text, MAX_WAIT_S);
  }
  return (int)seconds;
}

/** The value of `--name=value`, or of `--name value`; a null pointer where the word is another option. */
static const char *value_of(const char *name, char ***at) {
  const char *word = **at;
  size_t length = strlen(name);
  if (strncmp(word, name, length) != 0) return NULL;
  if (word[length] == '=') return word + length + 1;
  if (word[length] != 0) return NULL;
  if ((*at)[1] == NULL) fail("option %s: expected a value behind it (trireme run --help shows how)", name);
  return *++*at;
}

static void read_option(char ***at, struct options *options) {
  const char *value;
  if ((value = value_of("--socket", at))) options->socket = value;
  else if ((value = value_of("--name", at))) options->name = value;
  else if ((value = value_of("--user", at))) options->user = value;
  else if ((value = value_of("--label", at))) add(&options->labels, value);
  else if ((value = value_of("--port", at))) add(&options->ports, value);
  else if ((value = value_of("--alias", at))) add(&options->aliases, value);
  else if ((value = value_of("--wait", at))) options->wait = parse_wait(value);
  else if (strcmp(**at, "--network-only") == 0) options->network_only = true;
  else fail("unknown option %s (trireme run --help shows how)", **at);
}

/** The first word that is no option begins the command. */
static struct options parse(char **words) {
  struct options options = {.wait = -1};
  for (; *words != NULL && **words == '-'; words++) {
    if (strcmp(*words, "--") == 0) {
      words++;
      break;
    }
    read_option(&words, &options);
  }
  options.command = words;
  const char *program = *words;
  if (program == NULL || *program == 0 || *program == '-') {
    fail("command \"%s\": expected a program's name (trireme run --help shows how)", program != NULL ? program : "");
  }
  return options;
}

/** passwd(5), by name or number, from whatever databases the system uses. */
static const struct passwd *account_of(const char *user) {
  char *end;
  const struct passwd *account = getpwnam(user);
  if (account != NULL) return account;
  unsigned long uid = strtoul(user, &end, 10);
  if (*user >= '0' && *user <= '9' && *end == 0 && uid < UINT_MAX) account = getpwuid((uid_t)uid);
  if (account == NULL) fail("user \"%s\": no such user", user);
  return account;
}

/** This process is the user's from here on, with his groups, and nothing leads back. */
static void become(const struct passwd *account) {
  uid_t uids[3];
  const char *name = account->pw_name;
  if (initgroups(name, account->pw_gid) != 0) fail("user %s: groups: %s", name, strerror(errno));
  if (setresgid(account->pw_gid, account->pw_gid, account->pw_gid) != 0) fail("user %s: setresgid: %s", name, strerror(errno));
  if (setresuid(account->pw_uid, account->pw_uid, account->pw_uid) != 0) fail("user %s: setresuid: %s", name, strerror(errno));
  if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 || uids[0] != account->pw_uid || uids[1] != account->pw_uid || uids[2] != account->pw_uid) {
    fail("user %s: the kernel did not change to him", name);
  }
  if (account->pw_uid != 0 && setresuid(0, 0, 0) == 0) fail("user %s: the way back to root stays open", name);
  const char *home = *account->pw_dir ? account->pw_dir : "/";
  const char *shell = *account->pw_shell ? account->pw_shell : "/bin/sh";
  if (setenv("HOME", home, 1) || setenv("USER", name, 1) || setenv("LOGNAME", name, 1) || setenv("SHELL", shell, 1)) {
    fail("user %s: out of memory", name);
  }
}

static bool is_executable(const char *path) {
  struct stat found;
  return access(path, X_OK) == 0 && stat(path, &found) == 0 && S_ISREG(found.st_mode);
}

/** The absolute path of what execvp(3) is going to execute; false where it would find nothing. */
static bool executable_path(const char *program, char *absolute, size_t size) {
  char found[PATH_MAX], cwd[PATH_MAX];
  const char *path = getenv("PATH");
  if (strchr(program, '/') != NULL) path = NULL;
  else if (path == NULL) path = "/bin:/usr/bin";
  do {
    size_t length = path != NULL ? strcspn(path, ":") : 0;
    int count = path == NULL ? snprintf(found, sizeof found, "%s", program)
                : length == 0 ? snprintf(found, sizeof found, "./%s", program)
                : snprintf(found, sizeof found, "%.*s/%s", (int)length, path, program);
    if (count < (int)sizeof found && is_executable(found)) {
      if (*found == '/') return snprintf(absolute, size, "%s", found) < (int)size;
      return getcwd(cwd, sizeof cwd) != NULL && snprintf(absolute, size, "%s/%s", cwd, found) < (int)size;
    }
    if (path != NULL) path = path[length] == ':' ? path + length + 1 : NULL;
  } while (path != NULL);
  return false;
}

/** An `EventBody` about this process. Only root is believed about what is going to be executed. */
static char *event_body(const struct options *options, bool is_root) {
  struct text body = {0};
  char pid[32], executable[PATH_MAX];
  char *program = strdup(options->command[0]);
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  append(&body, "{\"event\":\"start\",\"type\":\"linux-process\",\"pid\":");
  append(&body, pid);
  append(&body, ",\"name\":");
  append_json(&body, options->name != NULL ? options->name : basename(program));
  append(&body, ",");
  append_json_list(&body, "tags", &options->labels);
  append(&body, ",");
  append_json_list(&body, "ports", &options->ports);
  append(&body, ",");
  append_json_list(&body, "aliases", &options->aliases);
  append(&body, ",\"options\":{\"networkOnly\":");
  append(&body, options->network_only ? "\"true\"" : "\"false\"");
  if (is_root && executable_path(options->command[0], executable, sizeof executable)) {
    append(&body, ",\"executable\":");
    append_json(&body, executable);
  }
  append(&body, "}}");
  free(program);
  return body.bytes;
}

/** `--help` is the command line tool's, which lies beside this program's folder. */
static _Noreturn void show_help(void) {
  char self[PATH_MAX], script[PATH_MAX + 16];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0) fail("/proc/self/exe: %s", strerror(errno));
  self[length] = 0;
  snprintf(script, sizeof script, "%s/main.js", dirname(dirname(self)));
  execlp("node", "node", script, "run", "--help", (char *)NULL);
  fail("node: %s", strerror(errno));
}

int main(int argc, char **argv) {
  if (argc < 2 || strcmp(argv[1], "run") != 0) fail("expected the arguments of `trireme run`");
  if (argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) show_help();
  const struct options options = parse(argv + 2);
  const struct passwd *account = options.user != NULL ? account_of(options.user) : NULL;
  if (account != NULL && geteuid() != 0) fail("user \"%s\": only root runs commands as other users", options.user);
  char *body = event_body(&options, geteuid() == 0);
  const struct daemon daemon = await_daemon(&options);
  // The connection is root's and made before; the daemon hears of this process when it is the user's.
  if (account != NULL) become(account);
  activate(&daemon, body);
  free(body);
  execvp(options.command[0], options.command);
  int error = errno;
  fprintf(stderr, "trireme: %s: %s\n", options.command[0], strerror(error));
  return error == ENOENT || error == ENOTDIR ? 127 : 126;
}
