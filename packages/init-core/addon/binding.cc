// The init's own reading of a command line, for Node.js: src/options.c compiled as it is, so that what is accepted here
// is what the init accepts. Errors carry the init's own message.
//
// C++ exceptions are off and no container of the standard library is used: the file then needs no symbol of a particular
// libstdc++, and one build loads under glibc and musl alike.

#include <napi.h>

#include <cstdlib>
#include <cstring>

extern "C" {
#include "../src/options.h"
}

// What is left of the standard library in node-addon-api: with these here, libstdc++ is not linked at all.
void *operator new(size_t size) {
  void *memory = malloc(size);
  if (!memory) abort();
  return memory;
}
void *operator new[](size_t size) { return operator new(size); }
void operator delete(void *memory) noexcept { free(memory); }
void operator delete[](void *memory) noexcept { free(memory); }
void operator delete(void *memory, size_t) noexcept { free(memory); }
void operator delete[](void *memory, size_t) noexcept { free(memory); }

namespace {

Napi::Object DurationToObject(Napi::Env env, const duration &from) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("seconds", from.seconds);
  object.Set("nanoseconds", from.nanoseconds);
  return object;
}

const char *RequestName(const options &options) {
  switch (options.request) {
    case REQUEST_HELP:
      return "help";
    case REQUEST_VERSION:
      return "version";
    case REQUEST_LICENSE:
      return "license";
    default:
      return "run";
  }
}

const char *PersonalityName(const options &options) {
  switch (options.personality) {
    case TINI:
      return "tini";
    case DUMB_INIT:
      return "dumb-init";
    case CATATONIT:
      return "catatonit";
    default:
      return "initwrap";
  }
}

Napi::Object OptionsToObject(Napi::Env env, const options &options) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("request", RequestName(options));
  object.Set("personality", PersonalityName(options));

  Napi::Array command = Napi::Array::New(env);
  for (uint32_t i = 0; options.command[i]; i++) command.Set(i, options.command[i]);
  object.Set("command", command);

  object.Set("group", options.group == GROUP_ALWAYS ? "always" : options.group == GROUP_NEVER ? "never" : "if-leader");
  object.Set("verbosity", static_cast<int>(options.verbosity));
  object.Set("parentDeathSignal", static_cast<int>(options.parent_death_signal));

  Napi::Object rewrite = Napi::Object::New(env);
  for (uint32_t signal = 1; signal <= SIGNAL_LAST; signal++) {
    uint8_t to = options.rewrite[signal];
    if (to) rewrite.Set(signal, to == REWRITE_DROP ? 0 : static_cast<int>(to));
  }
  object.Set("rewrite", rewrite);

  Napi::Object exit_map = Napi::Object::New(env);
  for (uint32_t code = 0; options.exit_mapped && code < sizeof options.exit_flip; code++)
    if (options.exit_flip[code]) exit_map.Set(code, static_cast<int>(code ^ options.exit_flip[code]));
  object.Set("exitMap", exit_map);

  Napi::Array stages = Napi::Array::New(env);
  for (uint32_t i = 0; i < options.stage_count; i++) {
    Napi::Object stage = Napi::Object::New(env);
    stage.Set("signal", static_cast<int>(options.stages[i].signal));
    stage.Set("wait", DurationToObject(env, options.stages[i].wait));
    stages.Set(i, stage);
  }
  object.Set("stopPlan", stages);
  object.Set("grace", DurationToObject(env, options.grace));
  object.Set("stopDelay", DurationToObject(env, options.stop_delay));
  if (options.report)
    object.Set("report", options.report);
  else
    object.Set("report", env.Null());
  return object;
}

// The words of a JavaScript array as one block of memory that ends as argv does: pointers, NULL, then the characters.
char **CopyWords(Napi::Env env, const Napi::Array &words) {
  uint32_t count = words.Length();
  size_t bytes = (static_cast<size_t>(count) + 1) * sizeof(char *);
  for (uint32_t i = 0; i < count; i++) {
    napi_value value = words.Get(i);
    size_t length;
    if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return nullptr;
    bytes += length + 1;
  }
  char **argv = static_cast<char **>(malloc(bytes));
  if (!argv) return nullptr;
  char *at = reinterpret_cast<char *>(argv + count + 1);
  char *end = reinterpret_cast<char *>(argv) + bytes;
  for (uint32_t i = 0; i < count; i++) {
    napi_value value = words.Get(i);
    size_t length;
    napi_get_value_string_utf8(env, value, at, static_cast<size_t>(end - at), &length);
    argv[i] = at;
    at += length + 1;
  }
  argv[count] = nullptr;
  return argv;
}

Napi::Value ParseOptions(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  char **argv = info.Length() > 0 && info[0].IsArray() ? CopyWords(env, info[0].As<Napi::Array>()) : nullptr;
  if (!argv) {
    Napi::TypeError::New(env, "parseOptions takes an array of strings").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  char *no_environment[] = {nullptr};
  options options;
  options_parse(&options, argv, no_environment);

  Napi::Value result = env.Undefined();
  if (options.request == REQUEST_WRONG || options.request == REQUEST_NOTHING) {
    char problem[512] = "no command given";
    if (options.request == REQUEST_WRONG) options_problem(&options, problem, sizeof problem);
    Napi::Error::New(env, problem).ThrowAsJavaScriptException();
  } else {
    result = OptionsToObject(env, options);
  }
  free(argv);
  return result;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("parseOptions", Napi::Function::New(env, ParseOptions, "parseOptions"));
  return exports;
}

}  // namespace

NODE_API_MODULE(init_core, Init)
