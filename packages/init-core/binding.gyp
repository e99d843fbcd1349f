{
  "targets": [
    {
      "target_name": "init_core",
      "sources": [
        "addon/binding.cc",
        "addon/endings.c",
        "addon/in-process.c",
        "addon/kernel.c",
        "addon/orphans.c",
        "addon/threads.c",
        "src/log.c",
        "src/options.c",
        "src/reap.c",
        "src/signals.c",
        "src/spawn.c",
        "src/supervise.c",
        "src/text.c",
        "src/words.c"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS"],
      "cflags!": ["-O3"],
      "cflags": ["-fvisibility=hidden", "-Os", "-ffunction-sections", "-fdata-sections", "-fno-stack-protector", "-g0"],
      "ldflags": ["-nodefaultlibs", "-Wl,--as-needed", "-Wl,--gc-sections", "-Wl,--build-id=none"],
      "cflags_c": ["-std=c11", "-Wall", "-Wextra", "-fno-strict-aliasing"],
      "conditions": [
        ["target_arch=='x64'", { "include_dirs": ["src/sys/amd64"], "cflags_c": ["-mno-red-zone"] }],
        ["target_arch=='arm64'", { "include_dirs": ["src/sys/arm64"], "cflags": ["-mno-outline-atomics"] }]
      ]
    }
  ]
}
