// Preloaded into a media process. At SIGUSR1, which the process sends itself once it is confined,
// this tries what a decoder that was taken over would try, and prints a line for each attempt that
// the sandbox allowed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *victim, *input, *artifact;
static pid_t parent;

static void line(const char *begin, const char *text) {
  char out[256] = "";
  strncat(out, begin, 100);
  strncat(out, text, 100);
  strcat(out, "\n");
  if (write(2, out, strlen(out)) < 0) _exit(9);
}

#define DENIED(attempt) \
  do { \
    if ((long)(attempt) >= 0) line("ALLOWED ", #attempt); \
  } while (0)
#define FAILS_WITH(number, attempt) \
  do { \
    errno = 0; \
    if ((long)(attempt) >= 0 || errno != (number)) line("ALLOWED ", #attempt); \
  } while (0)

static long forked(long pid) {
  if (pid == 0) _exit(0);
  return pid;
}

static void try_files(const char *path) {
  DENIED(open(path, O_WRONLY));
  DENIED(open(path, O_RDWR));
  DENIED(open(path, O_RDONLY | O_TRUNC));
  DENIED(truncate(path, 0));
  DENIED(chmod(path, 0777));
  DENIED(fchmodat(AT_FDCWD, path, 0777, 0));
  DENIED(chown(path, -1, -1));
  DENIED(utimensat(AT_FDCWD, path, NULL, 0));
  DENIED(setxattr(path, "user.x", "1", 1, 0));
  DENIED(link(path, "linked"));
  DENIED(symlink(path, "symlinked"));
  int file = open(path, O_RDONLY);
  if (file < 0) return;
  DENIED(fchmod(file, 0777));
  DENIED(fchown(file, -1, -1));
  DENIED(futimens(file, NULL));
  DENIED(fsetxattr(file, "user.x", "1", 1, 0));
  DENIED(ftruncate(file, 0));
  DENIED(write(file, "x", 1));
  DENIED(fcntl(file, F_SETOWN, parent));
  DENIED(fcntl(file, F_SETLEASE, F_RDLCK));
  close(file);
}

static void try_paths(void) {
  FAILS_WITH(EACCES, open(victim, O_RDONLY));
  DENIED(rename(victim, "renamed"));
  DENIED(unlink(victim));
  DENIED(rename(input, "renamed"));
  DENIED(unlink(input));
  DENIED(open("/etc/passwd", O_RDONLY));
  DENIED(open("/proc/self/status", O_RDONLY));
  DENIED(open("/dev/shm/spool-attack", O_CREAT | O_WRONLY, 0600));
}

static void try_processes(void) {
  struct rlimit limit = {17, 17};
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(0, &cores);
  DENIED(kill(parent, 0));
  DENIED(kill(-1, 0));
  DENIED(kill(0, 0));
  DENIED(syscall(SYS_tkill, parent, 0));
  DENIED(syscall(SYS_tgkill, parent, parent, 0));
  DENIED(prlimit(parent, RLIMIT_NOFILE, NULL, &limit));
  DENIED(prlimit(parent, RLIMIT_NOFILE, &limit, NULL));
  DENIED(setpriority(PRIO_PROCESS, parent, 19));
  DENIED(sched_setaffinity(parent, sizeof cores, &cores));
  DENIED(ptrace(PTRACE_ATTACH, parent, 0, 0));
  DENIED(syscall(SYS_process_vm_readv, parent, 0, 0, 0, 0, 0));
  DENIED(syscall(SYS_pidfd_open, parent, 0));
  DENIED(setsid());
  DENIED(setpgid(0, 0));
  DENIED(prctl(PR_SET_PDEATHSIG, 0));
  DENIED(forked(fork()));
  DENIED(forked(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
  DENIED(forked(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)));
  DENIED(forked(syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0)));
  FAILS_WITH(ENOSYS, syscall(SYS_clone3, 0, 0));
  DENIED(execl("/bin/true", "true", (char *)NULL));
}

static void try_kernel(void) {
  DENIED(socket(AF_INET, SOCK_STREAM, 0));
  DENIED(socket(AF_UNIX, SOCK_STREAM, 0));
  DENIED(memfd_create("x", 0));
  DENIED(unshare(CLONE_NEWUSER));
  FAILS_WITH(EPERM, syscall(SYS_io_uring_setup, 1, 0));
  FAILS_WITH(EPERM, syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, 0));
  FAILS_WITH(EPERM, syscall(SYS_bpf, 0, 0, 0));
  FAILS_WITH(EPERM, syscall(SYS_keyctl, 0, 0));
  FAILS_WITH(EPERM, syscall(SYS_shmget, 0x5b001, 4096, 0600));
  FAILS_WITH(EPERM, syscall(SYS_personality, 0x0040000));
  FAILS_WITH(EPERM, syscall(SYS_seccomp, 2, 0, 0));
  FAILS_WITH(EPERM, syscall(100000));
#ifdef __x86_64__
  // The numbers of x32: the kernel may lack them, but the filter must refuse them first.
  FAILS_WITH(EPERM, syscall(0x40000000 | SYS_socket, AF_INET, SOCK_STREAM, 0));
  FAILS_WITH(EPERM, syscall(0x40000000 | SYS_getpid));
#endif
}

static void attack(int signal) {
  (void)signal;
  try_files(victim);
  try_files(input);
  try_files(artifact);
  try_paths();
  try_processes();
  try_kernel();
  line("ATTACKED", "");
}

__attribute__((constructor)) static void prepare(void) {
  parent = getppid();
  victim = getenv("VICTIM");
  input = getenv("INPUT");
  artifact = getenv("ARTIFACT");
  signal(SIGUSR1, attack);
}
