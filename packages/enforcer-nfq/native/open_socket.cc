#include "open_socket.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace trireme {
namespace {

#ifndef NETLINK_CAP_ACK
#define NETLINK_CAP_ACK 10
#endif

OpenResult Refuse(const char* op, int fd = -1) {
  OpenResult result;
  result.op = op;
  result.error = errno;
  if (fd >= 0) ::close(fd);
  return result;
}

bool SetInt(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// Beyond rmem_max or wmem_max only with CAP_NET_ADMIN in the initial user namespace; else what is
// allowed. 0 leaves the default.
bool SetBuffer(int fd, int force, int ask, int bytes) {
  return bytes == 0 || SetInt(fd, SOL_SOCKET, force, bytes) || SetInt(fd, SOL_SOCKET, ask, bytes);
}

OpenResult OpenHere(const OpenOptions& options) {
  // Close-on-exec: a child that inherited the socket would keep its queues bound after we died.
  int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, options.protocol);
  if (fd < 0) return Refuse("socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Refuse("bind", fd);
  if (!SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBufferBytes)) return Refuse("SO_RCVBUF", fd);
  if (!SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.sendBufferBytes)) return Refuse("SO_SNDBUF", fd);
  if (options.noEnobufs && !SetInt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)) {
    return Refuse("NETLINK_NO_ENOBUFS", fd);
  }
  if (!SetInt(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1)) return Refuse("NETLINK_CAP_ACK", fd);
  OpenResult result;
  result.fd = fd;
  return result;
}

OpenResult OpenThere(const OpenOptions& options) {
  int netns = ::open(options.netns.c_str(), O_RDONLY | O_CLOEXEC);
  if (netns < 0) return Refuse("open netns");
  if (::setns(netns, CLONE_NEWNET) != 0) return Refuse("setns", netns);
  ::close(netns);
  return OpenHere(options);
}

}  // namespace

OpenResult OpenNetlinkSocket(const OpenOptions& options) {
  if (options.netns.empty()) return OpenHere(options);
  OpenResult result;
  try {
    // A thread of its own that ends here: setns in a pool thread would leave that thread moved.
    std::thread([&] { result = OpenThere(options); }).join();
  } catch (const std::system_error& error) {
    result.op = "pthread_create";
    result.error = error.code().value();
  }
  return result;
}

}  // namespace trireme
