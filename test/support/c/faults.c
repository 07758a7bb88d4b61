/*
 * For LD_PRELOAD, between a process and the C library: a disk whose every sync takes a while, a wall clock that is wrong, a lock that
 * nobody comes back from. The file $FAULTS says how: three 64-bit numbers, milliseconds for each sync, milliseconds that the wall
 * clock is ahead, milliseconds for each flock; it may change at any moment. The monotonic clock stays as it is, as when somebody sets
 * the time.
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
  void *mapped = mmap(NULL, 24, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) faults = mapped;
}

static void wait_as_told(int which) {
  if (faults == NULL || faults[which] <= 0) return;
  struct timespec left = { faults[which] / 1000, faults[which] % 1000 * 1000000 };
  while (nanosleep(&left, &left) != 0) continue;
}

int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_as_told(0);
  return real(fd);
}

int fsync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_as_told(0);
  return real(fd);
}

int flock(int fd, int operation) {
  int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
  wait_as_told(2);
  return real(fd, operation);
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
