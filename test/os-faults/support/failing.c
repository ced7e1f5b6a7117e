/*
 * A disk that fails, for one process: preloaded into it, this stands before the calls by which files are written.
 *
 * Only files whose path begins with FAULTS_UNDER are meant. Which call fails is said in the file FAULTS_CONTROL, six numbers that
 * are shared with whoever holds it: the process itself, and its test. The same calls are counted there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPENS = 1, WRITES = 2, SYNCS = 4, TRUNCATES = 8 };

struct control {
  _Atomic int32_t kinds; /* Which calls are meant. */
  _Atomic int32_t at;    /* The first one that fails, counted from 1; 0: none. */
  _Atomic int32_t times; /* How many fail, from that one on. */
  _Atomic int32_t error; /* With this errno. */
  _Atomic int32_t tears; /* A write that fails has written half of it. */
  _Atomic int32_t count; /* How many there were. */
};

static struct control none;
static struct control *control = &none;
static const char *under = "";

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULTS_CONTROL");
  const char *prefix = getenv("FAULTS_UNDER");
  if (path == NULL || prefix == NULL) return;
  int (*open_it)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  int file = open_it(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *shared = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared == MAP_FAILED) return;
  control = shared;
  under = prefix;
}

static int is_ours(const char *path) {
  return *under != 0 && path != NULL && strncmp(path, under, strlen(under)) == 0;
}

/* Asked each time: a descriptor that was closed behind our back may be of something else by now. */
static int is_our_file(int file) {
  if (*under == 0) return 0;
  char link[32], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  int error = errno;
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = error;
  if (length < 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

/* Does this call fail? It is counted. */
static int fails(int kind) {
  if ((control->kinds & kind) == 0) return 0;
  int32_t number = ++control->count;
  int32_t at = control->at;
  if (at == 0 || number < at || number - at >= control->times) return 0;
  errno = control->error;
  return 1;
}

#define OPEN(name)                                                     \
  int name(const char *path, int flags, ...) {                         \
    static int (*real)(const char *, int, ...);                        \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                  \
    mode_t mode = 0;                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                               \
      va_list more;                                                    \
      va_start(more, flags);                                           \
      mode = va_arg(more, mode_t);                                     \
      va_end(more);                                                    \
    }                                                                  \
    /* A file system that is read-only still lets itself be read. */   \
    int reads = control->error == EROFS && (flags & O_ACCMODE) == O_RDONLY; \
    if (is_ours(path) && !reads && fails(OPENS)) return -1;            \
    return real(path, flags, mode);                                    \
  }

OPEN(open)
OPEN(open64)

#define PWRITE(name, offset)                                           \
  ssize_t name(int file, const void *bytes, size_t length, offset at) { \
    static ssize_t (*real)(int, const void *, size_t, offset);         \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                  \
    if (is_our_file(file) && fails(WRITES)) {                          \
      int error = errno;                                               \
      if (control->tears) real(file, bytes, length / 2, at);           \
      errno = error;                                                   \
      return -1;                                                       \
    }                                                                  \
    return real(file, bytes, length, at);                              \
  }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int file, const void *bytes, size_t length) {
  static ssize_t (*real)(int, const void *, size_t);
  if (real == NULL) real = dlsym(RTLD_NEXT, "write");
  if (is_our_file(file) && fails(WRITES)) return -1;
  return real(file, bytes, length);
}

#define OF_A_FILE(name, kind)                                          \
  int name(int file) {                                                 \
    static int (*real)(int);                                           \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                  \
    if (is_our_file(file) && fails(kind)) return -1;                   \
    return real(file);                                                 \
  }

OF_A_FILE(fsync, SYNCS)
OF_A_FILE(fdatasync, SYNCS)

#define TRUNCATE(name, offset)                                         \
  int name(int file, offset length) {                                  \
    static int (*real)(int, offset);                                   \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                  \
    if (is_our_file(file) && fails(TRUNCATES)) return -1;              \
    return real(file, length);                                         \
  }

TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)
