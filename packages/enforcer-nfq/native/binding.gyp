{
  "targets": [
    {
      "target_name": "trireme_netlink",
      "sources": ["addon.cc", "arguments.cc", "netlink_socket.cc", "open_socket.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # In a worker that is being terminated no exception can be thrown into JavaScript: swallow it there,
      # or std::terminate takes the whole process down.
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions", "-O3"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
      "cflags": ["-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags_cc": ["-std=c++17", "-fexceptions"],
      "conditions": [["OS!='linux'", {"type": "none"}]]
    }
  ]
}
