// Turns Nagle's algorithm off for programs that leave it on (LD_PRELOAD): a peer is measured at its fair best.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

int connect(int fd, const struct sockaddr *address, socklen_t size) {
  int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect"), one = 1;
  if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return next(fd, address, size);
}
