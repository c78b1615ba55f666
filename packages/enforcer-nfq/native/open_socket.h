#pragma once

#include <string>

namespace trireme {

struct OpenOptions {
  int protocol = 0;
  std::string netns;           // path of a network namespace; empty: the caller's own
  int receiveBufferBytes = 0;  // 0: the kernel's default
  int sendBufferBytes = 0;     // likewise; a datagram must stay below it
  bool noEnobufs = false;
};

// A file descriptor, or the call that failed with its errno (then fd is -1).
struct OpenResult {
  int fd = -1;
  const char* op = nullptr;
  int error = 0;
};

// A bound, non-blocking, close-on-exec netlink socket that lives in `netns`. The caller's own
// namespace is never changed, and the kernel answers all later messages from the socket's.
OpenResult OpenNetlinkSocket(const OpenOptions& options);

}  // namespace trireme
