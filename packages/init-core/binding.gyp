{
  "targets": [
    {
      "target_name": "init_core",
      "sources": ["addon/binding.cc", "src/options.c", "src/signals.c", "src/text.c"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS"],
      "cflags": ["-fvisibility=hidden", "-Os", "-ffunction-sections", "-fdata-sections"],
      "ldflags": ["-Wl,--as-needed", "-Wl,--gc-sections"],
      "cflags_c": ["-std=c11"]
    }
  ]
}
