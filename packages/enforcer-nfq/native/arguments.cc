#include "arguments.h"

#include <uv.h>

#include <climits>

namespace trireme {

std::string ErrnoName(int error) {
  char name[64];
  uv_err_name_r(-error, name, sizeof name);
  return name;
}

Napi::Error KernelError(Napi::Env env, const char* op, int error) {
  const std::string name = ErrnoName(error);
  Napi::Error refusal = Napi::Error::New(env, std::string(op) + ": " + name);
  refusal.Set("op", Napi::String::New(env, op));
  refusal.Set("errno", Napi::String::New(env, name));
  return refusal;
}

Napi::TypeError Wrong(Napi::Env env, const std::string& expectation) {
  return Napi::TypeError::New(env, expectation);
}

uint32_t Unsigned(const Napi::Value& value, const char* name, uint32_t least, uint32_t most) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= least && number <= most) || number != static_cast<uint32_t>(number)) {
    throw Wrong(value.Env(), std::string(name) + " must be an integer from " + std::to_string(least) +
                                 " to " + std::to_string(most));
  }
  return static_cast<uint32_t>(number);
}

Napi::TypedArray Typed(const Napi::Value& value, const char* name, napi_typedarray_type type) {
  if (value.IsTypedArray()) {
    Napi::TypedArray array = value.As<Napi::TypedArray>();
    if (array.TypedArrayType() == type) return array;
  }
  throw Wrong(value.Env(), std::string(name) + " must be a " +
                               (type == napi_uint8_array ? "Uint8Array" : "Uint32Array"));
}

Napi::Object Options(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) throw Wrong(info.Env(), "options must be an object");
  return info[0].As<Napi::Object>();
}

static int BufferBytes(const Napi::Object& from, const char* name) {
  const Napi::Value bytes = from.Get(name);
  return bytes.IsUndefined() ? 0 : static_cast<int>(Unsigned(bytes, name, 1, INT_MAX / 2));
}

OpenOptions ReadOpenOptions(const Napi::Object& from) {
  OpenOptions options;
  options.protocol = static_cast<int>(Unsigned(from.Get("protocol"), "protocol", 0, 31));
  const Napi::Value netns = from.Get("netns");
  if (!netns.IsUndefined()) {
    if (!netns.IsString()) throw Wrong(from.Env(), "netns must be a path");
    options.netns = netns.As<Napi::String>().Utf8Value();
    if (options.netns.empty() || options.netns.find('\0') != std::string::npos) {
      throw Wrong(from.Env(), "netns must be a path");
    }
  }
  options.receiveBufferBytes = BufferBytes(from, "receiveBufferBytes");
  options.sendBufferBytes = BufferBytes(from, "sendBufferBytes");
  options.noEnobufs = from.Get("noEnobufs").ToBoolean();
  return options;
}

}  // namespace trireme
