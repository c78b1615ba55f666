#include "netlink_socket.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "arguments.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

namespace trireme {
namespace {

// The top bit of a slot's length: the message did not fit and is cut.
constexpr uint32_t kTruncated = 0x80000000u;
constexpr size_t kMemInfoDrops = 8;  // SK_MEMINFO_DROPS of linux/sock_diag.h

// Whether a datagram ends the exchange: an error (an ack is error 0), the end of a dump, or the one
// answer to a request that asked for no ack.
bool IsLastReply(const uint8_t* bytes, size_t length, const nlmsghdr& request) {
  nlmsghdr header;
  for (size_t at = 0; at + sizeof header <= length;) {
    std::memcpy(&header, bytes + at, sizeof header);
    if (header.nlmsg_len < sizeof header) return false;
    if (header.nlmsg_seq == request.nlmsg_seq) {
      if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) return true;
      if (!(header.nlmsg_flags & NLM_F_MULTI) && !(request.nlmsg_flags & NLM_F_ACK)) return true;
    }
    at += NLMSG_ALIGN(static_cast<size_t>(header.nlmsg_len));
  }
  return false;
}

uint64_t NowMs() { return uv_hrtime() / 1000000; }

}  // namespace

Napi::Function NetlinkSocket::Define(Napi::Env env) {
  return DefineClass(env, "NetlinkSocket",
                     {InstanceMethod("request", &NetlinkSocket::Request),
                      InstanceMethod("start", &NetlinkSocket::Start),
                      InstanceMethod("send", &NetlinkSocket::Send),
                      InstanceMethod("drops", &NetlinkSocket::Drops),
                      InstanceMethod("ref", &NetlinkSocket::RefPoll),
                      InstanceMethod("unref", &NetlinkSocket::UnrefPoll),
                      InstanceMethod("close", &NetlinkSocket::CloseFromJs)});
}

NetlinkSocket::NetlinkSocket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetlinkSocket>(info) {
  const OpenResult opened = OpenNetlinkSocket(ReadOpenOptions(Options(info)));
  if (opened.fd < 0) throw KernelError(info.Env(), opened.op, opened.error);
  fd_ = opened.fd;
}

NetlinkSocket::~NetlinkSocket() { Stop(); }

void NetlinkSocket::RequireOpen(Napi::Env env, const char* op) const {
  if (fd_ < 0) throw KernelError(env, op, EBADF);
}

// --- configuration: one request, its replies, synchronously -------------------------------------

Napi::Value NetlinkSocket::Request(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireOpen(env, "sendto");
  Napi::Uint8Array message = Typed(info[0], "message", napi_uint8_array).As<Napi::Uint8Array>();
  const uint32_t timeoutMs = Unsigned(info[1], "timeoutMs", 0, INT_MAX);
  nlmsghdr request;
  if (message.ByteLength() < sizeof request) throw Wrong(env, "message must hold one netlink message");
  std::memcpy(&request, message.Data(), sizeof request);
  if (request.nlmsg_len != message.ByteLength()) throw Wrong(env, "message must hold one netlink message");
  const int error = SendBytes(message.Data(), message.ByteLength());
  if (error != 0) throw KernelError(env, "sendto", error);
  Napi::Array received = Napi::Array::New(env);
  const uint64_t deadline = NowMs() + timeoutMs;
  for (;;) {
    Napi::Uint8Array datagram = Receive(env, deadline);
    received.Set(received.Length(), datagram);
    if (IsLastReply(datagram.Data(), datagram.ByteLength(), request)) return received;
  }
}

// The next datagram of the kernel. An overrun meanwhile lost other messages and is not this one's error.
Napi::Uint8Array NetlinkSocket::Receive(Napi::Env env, uint64_t deadline) {
  for (;;) {
    const ssize_t size = ::recv(fd_, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size >= 0) {
      Napi::Uint8Array datagram = Napi::Uint8Array::New(env, static_cast<size_t>(size));
      sockaddr_nl sender{};
      socklen_t senderSize = sizeof sender;
      const ssize_t read = ::recvfrom(fd_, datagram.Data(), datagram.ByteLength(), MSG_DONTWAIT,
                                      reinterpret_cast<sockaddr*>(&sender), &senderSize);
      if (read == size && sender.nl_pid == 0) return datagram;
      continue;
    }
    if (errno == EINTR || errno == ENOBUFS) continue;
    if (errno != EAGAIN) throw KernelError(env, "recv", errno);
    const uint64_t now = NowMs();
    if (now >= deadline) throw KernelError(env, "recv", ETIMEDOUT);
    pollfd waiting{fd_, POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(std::min<uint64_t>(deadline - now, INT_MAX)));
  }
}

// --- the packet path: batches in, whole batches of answers out -----------------------------------

void NetlinkSocket::Start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireOpen(env, "start");
  if (watch_ != nullptr) throw KernelError(env, "start", EALREADY);
  const Napi::Object options = Options(info);
  if (!info[1].IsFunction()) throw Wrong(env, "onBatch must be a function");
  TakeBuffers(options);
  onBatch_ = Napi::Persistent(info[1].As<Napi::Function>());
  StartPolling(env);
  Ref();  // a polling socket is alive although nobody in JavaScript may hold it
}

void NetlinkSocket::TakeBuffers(const Napi::Object& options) {
  Napi::Uint8Array rx = Typed(options.Get("rx"), "rx", napi_uint8_array).As<Napi::Uint8Array>();
  Napi::Uint32Array lengths =
      Typed(options.Get("lengths"), "lengths", napi_uint32_array).As<Napi::Uint32Array>();
  const uint32_t slotSize = Unsigned(options.Get("slotSize"), "slotSize", 64, 1u << 24);
  const size_t slots = lengths.ElementLength();
  if (slots == 0 || slots > 1024 || rx.ByteLength() != slots * slotSize) {
    throw Wrong(options.Env(), "rx must hold slotSize bytes for each of 1 to 1024 lengths");
  }
  buffers_.rounds = Unsigned(options.Get("rounds"), "rounds", 1, 1024);
  buffers_.lengths = lengths.Data();
  buffers_.slots.resize(slots);
  buffers_.senders.resize(slots);
  buffers_.headers.assign(slots, mmsghdr{});
  for (size_t i = 0; i < slots; i++) {
    buffers_.slots[i] = iovec{rx.Data() + i * slotSize, slotSize};
    msghdr& header = buffers_.headers[i].msg_hdr;
    header.msg_iov = &buffers_.slots[i];
    header.msg_iovlen = 1;
    header.msg_name = &buffers_.senders[i];
  }
  held_[0] = Napi::Persistent(rx.As<Napi::Object>());
  held_[1] = Napi::Persistent(lengths.As<Napi::Object>());
}

void NetlinkSocket::StartPolling(Napi::Env env) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw KernelError(env, "napi_get_uv_event_loop", EINVAL);
  Watch* watch = new Watch();
  watch->socket = this;
  int error = uv_poll_init(loop, &watch->poll, fd_);
  if (error != 0) {
    delete watch;
    throw KernelError(env, "uv_poll_init", -error);
  }
  watch->poll.data = watch;
  watch_ = watch;
  // A loop that ends with an open handle aborts the process, so a worker's end must close it.
  napi_add_async_cleanup_hook(env, OnEnvironmentExit, watch, &watch->hook);
  error = uv_poll_start(&watch->poll, UV_READABLE, OnPoll);
  if (error != 0) {
    Stop();
    throw KernelError(env, "uv_poll_start", -error);
  }
}

void NetlinkSocket::OnPoll(uv_poll_t* handle, int status, int) {
  Watch* watch = static_cast<Watch*>(handle->data);
  NetlinkSocket* socket = watch->socket;
  if (socket == nullptr) return;
  Napi::HandleScope scope(socket->Env());
  [[maybe_unused]] const Napi::Value self = socket->Value();  // held while a callback closes it
  if (status < 0 && !socket->Rearm()) return;
  const uint32_t rounds = socket->buffers_.rounds;
  for (uint32_t round = 0; round < rounds && watch->socket != nullptr; round++) {
    if (!socket->ReadBatch()) return;
  }
}

// libuv answers POLLERR by stopping the poll: take the error off the socket and go on listening.
bool NetlinkSocket::Rearm() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    Deliver(0, "SO_ERROR", errno);
    return false;
  }
  const int restarted = uv_poll_start(&watch_->poll, UV_READABLE, OnPoll);
  if (restarted != 0) {
    Deliver(0, "uv_poll_start", -restarted);
    return false;
  }
  if (error != 0) Deliver(0, "recvmmsg", error);
  return watch_ != nullptr;
}

// False when there is nothing more to read.
bool NetlinkSocket::ReadBatch() {
  for (mmsghdr& header : buffers_.headers) header.msg_hdr.msg_namelen = sizeof(sockaddr_nl);
  const int count = ::recvmmsg(fd_, buffers_.headers.data(),
                               static_cast<unsigned>(buffers_.headers.size()), MSG_DONTWAIT, nullptr);
  if (count > 0) {
    Deliver(MarkLengths(count), nullptr, 0);
    return true;
  }
  if (count == 0 || errno == EAGAIN) return false;
  if (errno != EINTR) Deliver(0, "recvmmsg", errno);
  return true;
}

// Only the kernel (port 0) is listened to: a message of anybody else gets the length 0.
uint32_t NetlinkSocket::MarkLengths(int count) {
  for (int i = 0; i < count; i++) {
    const mmsghdr& header = buffers_.headers[static_cast<size_t>(i)];
    const uint32_t flag = header.msg_hdr.msg_flags & MSG_TRUNC ? kTruncated : 0;
    buffers_.lengths[i] = buffers_.senders[static_cast<size_t>(i)].nl_pid == 0 ? header.msg_len | flag : 0;
  }
  return static_cast<uint32_t>(count);
}

// One call into JavaScript: a batch, or (op, errno name) of what failed.
void NetlinkSocket::Deliver(uint32_t count, const char* op, int error) {
  Napi::Env env = Env();
  Napi::HandleScope scope(env);
  napi_value arguments[3];
  size_t argumentCount = 1;
  napi_create_uint32(env, count, &arguments[0]);
  if (op != nullptr) {
    napi_create_string_utf8(env, op, NAPI_AUTO_LENGTH, &arguments[1]);
    napi_create_string_utf8(env, ErrnoName(error).c_str(), NAPI_AUTO_LENGTH, &arguments[2]);
    argumentCount = 3;
  }
  // Not napi_call_function: promises and ticks of the callback run before this returns.
  const napi_status status =
      napi_make_callback(env, nullptr, Value(), onBatch_.Value(), argumentCount, arguments, nullptr);
  if (status == napi_ok) return;
  // An exception, of the callback or of a tick, that nobody can catch: the process's or worker's
  // uncaughtException. None is pending when a worker is being terminated.
  bool isPending = false;
  napi_value thrown = nullptr;
  if (napi_is_exception_pending(env, &isPending) == napi_ok && isPending &&
      napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
    napi_fatal_exception(env, thrown);
  }
}

void NetlinkSocket::Send(const Napi::CallbackInfo& info) {
  RequireOpen(info.Env(), "sendto");
  Napi::Uint8Array bytes = Typed(info[0], "bytes", napi_uint8_array).As<Napi::Uint8Array>();
  const uint32_t most = static_cast<uint32_t>(std::min<size_t>(bytes.ByteLength(), UINT32_MAX));
  const uint32_t length = Unsigned(info[1], "length", 0, most);
  const int error = SendBytes(bytes.Data(), length);
  if (error != 0) throw KernelError(info.Env(), "sendto", error);
}

// The kernel walks all messages of the datagram before this returns; 0 or an errno.
int NetlinkSocket::SendBytes(const uint8_t* bytes, size_t length) const {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const ssize_t sent = ::sendto(fd_, bytes, length, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
    if (sent >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

// Messages the kernel could not put into this socket's receive buffer (SK_MEMINFO_DROPS).
Napi::Value NetlinkSocket::Drops(const Napi::CallbackInfo& info) {
  RequireOpen(info.Env(), "SO_MEMINFO");
  uint32_t memory[16] = {};
  socklen_t size = sizeof memory;
  if (::getsockopt(fd_, SOL_SOCKET, SO_MEMINFO, memory, &size) != 0) {
    throw KernelError(info.Env(), "SO_MEMINFO", errno);
  }
  return Napi::Number::New(info.Env(), memory[kMemInfoDrops]);
}

// --- life and end ---------------------------------------------------------------------------------

void NetlinkSocket::RefPoll(const Napi::CallbackInfo&) {
  if (watch_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&watch_->poll));
}

void NetlinkSocket::UnrefPoll(const Napi::CallbackInfo&) {
  if (watch_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&watch_->poll));
}

void NetlinkSocket::CloseFromJs(const Napi::CallbackInfo&) {
  const bool wasPolling = watch_ != nullptr;
  Stop();
  if (!wasPolling) return;
  onBatch_.Reset();
  for (Napi::ObjectReference& held : held_) held.Reset();
  Unref();
}

// The descriptor may be closed as soon as uv_close has taken it out of the loop's poll set.
void NetlinkSocket::Stop() {
  if (watch_ != nullptr) {
    watch_->socket = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&watch_->poll), OnClosed);
    watch_ = nullptr;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void NetlinkSocket::OnClosed(uv_handle_t* handle) {
  Watch* watch = static_cast<Watch*>(handle->data);
  if (watch->hook != nullptr) napi_remove_async_cleanup_hook(watch->hook);
  delete watch;
}

void NetlinkSocket::OnEnvironmentExit(napi_async_cleanup_hook_handle, void* data) {
  Watch* watch = static_cast<Watch*>(data);
  if (watch->socket != nullptr) watch->socket->Stop();
}

}  // namespace trireme
