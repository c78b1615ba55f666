/*
 * session-hook -- PROGRAM ARGUMENT...: started by systemd as root with a unit's environment, which the unit's user may write
 * (EnvironmentFile=). Becomes PROGRAM with nothing of that but the standard streams.
 *
 * session-hook NODE MAIN SOCKET: started by pam_exec(8) as root at both ends of a login session. Becomes
 * `NODE MAIN session open|close --socket SOCKET` with nothing of the user's: environment, descriptors, working directory, umask,
 * groups, terminal, signal mask and dispositions are made anew.
 *
 * The PAM environment may come from the user's ~/.pam_environment. So no library is linked and no loader runs: LD_PRELOAD,
 * GLIBC_TUNABLES and the like have no reader here. pam_exec appends its own variables to the PAM environment, PAM_SERVICE
 * first: only the values from the last PAM_SERVICE on are PAM's.
 *
 * Exit status 1 refuses a session: bad arguments, or a user or service that is no name.
 */
#include <stddef.h>
#include <sys/syscall.h>

enum { MAX_VALUE = 255, DEV_NULL_FLAGS = 02 /* O_RDWR */, SIG_SETMASK_ = 2, LAST_SIGNAL = 64 };

static long call(long number, long a, long b, long c, long d);
__attribute__((noreturn, used)) void run(long *stack);

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call run\n");
static long call(long number, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return number;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x0,sp\n bl run\n");
static long call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "session-hook: x86-64 and aarch64 only"
#endif

__attribute__((noreturn)) static void leave(int status) {
  for (;;) call(SYS_exit_group, status, 0, 0, 0);
}

/* The value of `NAME=value`, or NULL for another variable. */
static const char *value_of(const char *variable, const char *name) {
  while (*name && *variable == *name) variable++, name++;
  return *name == '\0' && *variable == '=' ? variable + 1 : NULL;
}

static int equal(const char *one, const char *other) {
  while (*one && *one == *other) one++, other++;
  return *one == *other;
}

/* Printable ASCII without spaces, not empty, of bounded length. */
static int is_plain(const char *text) {
  size_t length = 0;
  for (; text[length]; length++)
    if (text[length] < '!' || text[length] > '~' || length == MAX_VALUE) return 0;
  return length > 0;
}

static void close_from(long first) {
  if (call(SYS_close_range, first, ~0U, 0, 0) != 0)
    for (long each = first; each < 1 << 20; each++) call(SYS_close, each, 0, 0, 0);
}

/* Descriptors: none of the caller's; the standard ones lead nowhere. */
static void take_descriptors(void) {
  close_from(0);
  static const char null_device[] = "/dev/null";
  for (int each = 0; each < 3; each++)
    if (call(SYS_openat, -100 /* AT_FDCWD */, (long)null_device, DEV_NULL_FLAGS, 0) != each) leave(1);
}

static void take_process(void) {
  static const char root[] = "/";
  static const unsigned long none[4]; /* an empty mask; a sigaction with SIG_DFL */
  if (call(SYS_setgroups, 0, 0, 0, 0) || call(SYS_setresgid, 0, 0, 0, 0) || call(SYS_setresuid, 0, 0, 0, 0)) leave(1);
  if (call(SYS_chdir, (long)root, 0, 0, 0)) leave(1);
  call(SYS_umask, 022, 0, 0, 0);
  call(SYS_setsid, 0, 0, 0, 0);
  for (long signal = 1; signal <= LAST_SIGNAL; signal++) call(SYS_rt_sigaction, signal, (long)none, 0, 8);
  call(SYS_rt_sigprocmask, SIG_SETMASK_, (long)none, 0, 8);
}

__attribute__((noreturn, used)) void run(long *stack) {
  long argc = stack[0];
  char **argv = (char **)(stack + 1);
  char **environment = argv + argc + 1;
  static const char *const names[] = {"PAM_SERVICE", "PAM_USER", "PAM_TYPE", "PAM_TTY", "PAM_RHOST"};
  enum { SERVICE, USER, TYPE, NAMES = 5 };
  static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  if (argc >= 3 && equal(argv[1], "--") && argv[2][0] == '/') {
    char *const only_path[] = {path, NULL};
    take_process();
    close_from(3);
    call(SYS_execve, (long)argv[2], (long)(argv + 2), (long)only_path, 0);
    leave(1);
  }
  char *found[NAMES] = {NULL};
  for (char **each = environment; *each; each++) {
    if (value_of(*each, names[SERVICE]))
      for (int name = 0; name < NAMES; name++) found[name] = NULL;
    for (int name = 0; name < NAMES; name++)
      if (value_of(*each, names[name])) found[name] = *each;
  }
  if (argc != 4 || argv[1][0] != '/' || argv[2][0] != '/' || argv[3][0] != '/') leave(1);
  if (!found[TYPE] || !found[SERVICE] || !found[USER]) leave(1);
  int opens = equal(value_of(found[TYPE], names[TYPE]), "open_session");
  if (!opens && !equal(value_of(found[TYPE], names[TYPE]), "close_session")) leave(0);

  char *fresh[NAMES + 2] = {path};
  size_t count = 1;
  for (int name = 0; name < NAMES; name++) {
    if (found[name] && is_plain(value_of(found[name], names[name]))) fresh[count++] = found[name];
    else if (name <= TYPE) leave(1);
  }
  take_process();
  take_descriptors();
  char *const command[] = {argv[1], argv[2], "session", opens ? "open" : "close", "--socket", argv[3], NULL};
  call(SYS_execve, (long)argv[1], (long)command, (long)fresh, 0);
  leave(1);
}
