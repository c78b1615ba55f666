#include <napi.h>

#include "netlink_socket.h"

namespace {

// State is per environment, so every worker thread may load the addon.
class NetlinkAddon : public Napi::Addon<NetlinkAddon> {
 public:
  NetlinkAddon(Napi::Env env, Napi::Object exports) {
    socket_ = Napi::Persistent(trireme::NetlinkSocket::Define(env));
    DefineAddon(exports, {InstanceMethod("open", &NetlinkAddon::Open)});
  }

 private:
  Napi::Value Open(const Napi::CallbackInfo& info) { return socket_.New({info[0]}); }

  Napi::FunctionReference socket_;
};

}  // namespace

NODE_API_ADDON(NetlinkAddon)
