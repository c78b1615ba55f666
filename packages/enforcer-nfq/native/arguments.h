#pragma once

#include <napi.h>

#include <string>

#include "open_socket.h"

namespace trireme {

// libuv's spelling, the one of node:util's getSystemErrorName.
std::string ErrnoName(int error);

// An Error with the failed call in `op` and the errno's name in `errno`.
Napi::Error KernelError(Napi::Env env, const char* op, int error);

Napi::TypeError Wrong(Napi::Env env, const std::string& expectation);

// Each of these throws a TypeError that names the argument and what was expected of it.
uint32_t Unsigned(const Napi::Value& value, const char* name, uint32_t least, uint32_t most);
Napi::TypedArray Typed(const Napi::Value& value, const char* name, napi_typedarray_type type);
Napi::Object Options(const Napi::CallbackInfo& info);
OpenOptions ReadOpenOptions(const Napi::Object& from);

}  // namespace trireme
