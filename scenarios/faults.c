// Preloaded into the binary under test: makes system calls fail and the wall clock jump, as the
// file named by MILLRACE_FAULTS says, which scenarios/faults.py maps and changes while it runs.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Counts of calls until one fails: 1 the next, 0 none, negative: every one.
struct faults {
  int64_t wall_offset_ns;
  int64_t sync_countdown;
  int64_t write_countdown;
  int64_t error_number;
  char path_part[96];  // only files with this in their path
};

static struct faults* faults;

__attribute__((constructor)) static void map_faults(void) {
  const char* path = getenv("MILLRACE_FAULTS");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) abort();
  void* at = mmap(NULL, sizeof(struct faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) abort();
  close(fd);
  faults = at;
}

static int is_meant(int fd) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return strstr(path, faults->path_part) != NULL;
}

static int must_fail(int fd, int64_t* countdown) {
  if (faults == NULL) return 0;
  int64_t left = __atomic_load_n(countdown, __ATOMIC_SEQ_CST);
  if (left == 0 || !is_meant(fd)) return 0;
  if (left > 0 && __atomic_sub_fetch(countdown, 1, __ATOMIC_SEQ_CST) != 0) return 0;
  errno = (int)faults->error_number;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fdatasync(int fd) {
  return must_fail(fd, &faults->sync_countdown) ? -1 : REAL(fdatasync)(fd);
}

int fsync(int fd) { return must_fail(fd, &faults->sync_countdown) ? -1 : REAL(fsync)(fd); }

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  return must_fail(fd, &faults->write_countdown) ? -1 : REAL(pwrite)(fd, bytes, size, at);
}

ssize_t pwritev(int fd, const struct iovec* pieces, int count, off_t at) {
  return must_fail(fd, &faults->write_countdown) ? -1 : REAL(pwritev)(fd, pieces, count, at);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  int status = REAL(clock_gettime)(clock, now);
  if (status != 0 || faults == NULL || clock != CLOCK_REALTIME) return status;
  int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec +
               __atomic_load_n(&faults->wall_offset_ns, __ATOMIC_SEQ_CST);
  now->tv_sec = ns / 1000000000;
  now->tv_nsec = ns % 1000000000;
  return 0;
}
