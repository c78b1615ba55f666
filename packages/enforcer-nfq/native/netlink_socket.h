#pragma once

#include <napi.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <uv.h>

#include <vector>

namespace trireme {

// One netlink socket. It moves bytes between the kernel and memory that JavaScript owns, and
// knows of a message only what framing needs: length, sequence number, error, done.
class NetlinkSocket : public Napi::ObjectWrap<NetlinkSocket> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit NetlinkSocket(const Napi::CallbackInfo& info);
  ~NetlinkSocket() override;

 private:
  // The polling half. It outlives the socket object until libuv has let go of the handle.
  struct Watch {
    uv_poll_t poll;
    NetlinkSocket* socket;  // null once closed
    napi_async_cleanup_hook_handle hook = nullptr;
  };

  // A batch: slots and lengths are owned by JavaScript and held by references while polling.
  struct Buffers {
    uint32_t* lengths = nullptr;
    uint32_t rounds = 1;
    std::vector<mmsghdr> headers;
    std::vector<iovec> slots;
    std::vector<sockaddr_nl> senders;
  };

  Napi::Value Request(const Napi::CallbackInfo& info);
  void Start(const Napi::CallbackInfo& info);
  void Send(const Napi::CallbackInfo& info);
  Napi::Value Drops(const Napi::CallbackInfo& info);
  void RefPoll(const Napi::CallbackInfo& info);
  void UnrefPoll(const Napi::CallbackInfo& info);
  void CloseFromJs(const Napi::CallbackInfo& info);

  void TakeBuffers(const Napi::Object& options);
  void StartPolling(Napi::Env env);
  Napi::Uint8Array Receive(Napi::Env env, uint64_t deadline);
  void Stop();
  void RequireOpen(Napi::Env env, const char* op) const;
  bool Rearm();
  bool ReadBatch();
  uint32_t MarkLengths(int count);
  void Deliver(uint32_t count, const char* op, int error);
  int SendBytes(const uint8_t* bytes, size_t length) const;

  static void OnPoll(uv_poll_t* handle, int status, int events);
  static void OnClosed(uv_handle_t* handle);
  static void OnEnvironmentExit(napi_async_cleanup_hook_handle hook, void* data);

  int fd_ = -1;
  Watch* watch_ = nullptr;
  Buffers buffers_;
  Napi::ObjectReference held_[2];  // rx, lengths
  Napi::FunctionReference onBatch_;
};

}  // namespace trireme
