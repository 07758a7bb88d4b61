/*
 * For LD_PRELOAD, between a process and the C library: a disk whose every sync takes a while, a wall clock that is wrong. The file
 * $FAULTS says how: two 64-bit numbers, milliseconds for each sync and milliseconds that the wall clock is ahead; it may change at
 * any moment. The monotonic clock stays as it is, as when somebody sets the time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *faults;

__attribute__((constructor)) static void look(void) {
  const char *path = getenv("FAULTS");
  int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) faults = mapped;
}

static void wait_for_disk(void) {
  if (faults != NULL && faults[0] > 0) usleep((useconds_t)(faults[0] * 1000));
}

int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_for_disk();
  return real(fd);
}

int fsync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_for_disk();
  return real(fd);
}

int clock_gettime(clockid_t id, struct timespec *at) {
  static int (*real)(clockid_t, struct timespec *);
  if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(id, at);
  if (result == 0 && faults != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += faults[1] / 1000;
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  static int (*real)(struct timeval *, void *);
  if (real == NULL) real = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(at, zone);
  if (result == 0 && faults != NULL) at->tv_sec += faults[1] / 1000;
  return result;
}
