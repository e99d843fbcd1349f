// The init for Node.js: its own source files compiled as they are, so that a command line is accepted here exactly when the
// init accepts it, and a command is run here as the init runs it. Errors carry the init's own message.
//
// C++ exceptions are off and no container of the standard library is used: the file then needs no symbol of a particular
// libstdc++, and one build loads under glibc and musl alike.

#include <napi.h>

#include <cstdlib>
#include <cstring>

#include <unistd.h>

extern "C" {
#include "../src/options.h"
#include "endings.h"
#include "in-process.h"
#include "orphans.h"
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
  for (uint32_t code = 0; code < sizeof options.exit_flip; code++)
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

// The words of a JavaScript array as one block of memory that ends as argv does: pointers, NULL, then the characters. Each
// character is a byte: a command line need not be UTF-8.
char **CopyWords(Napi::Env env, const Napi::Array &words) {
  uint32_t count = words.Length();
  size_t bytes = (static_cast<size_t>(count) + 1) * sizeof(char *);
  for (uint32_t i = 0; i < count; i++) {
    napi_value value = words.Get(i);
    size_t length;
    if (napi_get_value_string_latin1(env, value, nullptr, 0, &length) != napi_ok) return nullptr;
    bytes += length + 1;
  }
  char **argv = static_cast<char **>(malloc(bytes));
  if (!argv) return nullptr;
  char *at = reinterpret_cast<char *>(argv + count + 1);
  char *end = reinterpret_cast<char *>(argv) + bytes;
  for (uint32_t i = 0; i < count; i++) {
    napi_value value = words.Get(i);
    size_t length;
    napi_get_value_string_latin1(env, value, at, static_cast<size_t>(end - at), &length);
    argv[i] = at;
    at += length + 1;
  }
  argv[count] = nullptr;
  return argv;
}

// Reads the options; throws the init's message and returns false when it would not start.
bool Parse(Napi::Env env, options *options, char **argv, char **environment) {
  options_parse(options, argv, environment);
  if (options->request != REQUEST_WRONG && options->request != REQUEST_NOTHING) return true;
  char problem[512] = "no command given";
  if (options->request == REQUEST_WRONG) options_problem(options, problem, sizeof problem);
  Napi::Error error = Napi::Error::New(env, problem);
  error.Set("code", "E_BAD_OPTIONS");
  error.ThrowAsJavaScriptException();
  return false;
}

char **WordsAt(const Napi::CallbackInfo &info, size_t index) {
  char **words =
      info.Length() > index && info[index].IsArray() ? CopyWords(info.Env(), info[index].As<Napi::Array>()) : nullptr;
  if (!words) Napi::TypeError::New(info.Env(), "an array of strings is needed").ThrowAsJavaScriptException();
  return words;
}

// parseOptions(argv)
Napi::Value ParseOptions(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  char **argv = WordsAt(info, 0);
  if (!argv) return env.Undefined();
  char *no_environment[] = {nullptr};
  options options;
  Napi::Value result = env.Undefined();
  if (Parse(env, &options, argv, no_environment)) result = OptionsToObject(env, options);
  free(argv);
  return result;
}

const char *FailureCode(enum failure failure) {
  switch (failure) {
    case FAILURE_THREAD:
      return "E_NOT_MAIN_THREAD";
    case FAILURE_CHILDREN:
      return "E_HAS_CHILDREN";
    case FAILURE_FORK:
      return "E_CANNOT_FORK";
    default:
      return "E_CANNOT_STOP_THREADS";
  }
}

// The process's own environment, in memory of its own: the init changes pointers in it.
char **CopyEnvironment() {
  size_t count = 0;
  while (environ[count]) count++;
  size_t bytes = (count + 1) * sizeof(char *);
  char **copy = static_cast<char **>(malloc(bytes));
  if (copy) memcpy(copy, environ, bytes);
  return copy;
}

// supervise(argv, environment as NAME=value or null for this process's, whether every child is ours, whether to exit)
Napi::Value Supervise(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  char **argv = WordsAt(info, 0);
  char **environment = !argv ? nullptr : info[1].IsNull() ? CopyEnvironment() : WordsAt(info, 1);
  Napi::Value result = env.Undefined();
  options options;
  if (environment && Parse(env, &options, argv, environment)) {
    in_process call = {};
    call.own_every_child = info[2].ToBoolean();
    call.exit = info[3].ToBoolean();
    enum failure failure = options.request == REQUEST_RUN && options.personality == INITWRAP
                               ? supervise_in_process(&options, environment, &call)
                               : FAILURE_NONE;
    Napi::Object object = Napi::Object::New(env);
    if (failure != FAILURE_NONE) {
      object.Set("failure", FailureCode(failure));
      object.Set("error", call.error);
    } else {
      object.Set("exitCode", call.exit_code);
      object.Set("signal", call.signal);
      object.Set("forwarded", call.forwarded);
      object.Set("reaped", call.reaped);
    }
    result = object;
  }
  free(environment);
  free(argv);
  return result;
}

// signalName(number): with its SIG prefix, as the init's report has it.
Napi::Value SignalName(const Napi::CallbackInfo &info) {
  char name[SIGNAL_NAME_SIZE];
  signal_name(name, info[0].ToNumber().Int32Value());
  return Napi::String::New(info.Env(), name);
}

int PidAt(const Napi::CallbackInfo &info) { return info[0].ToNumber().Int32Value(); }

Napi::Value WatchForks(const Napi::CallbackInfo &info) { return Napi::Boolean::New(info.Env(), forks_watch()); }

Napi::Value TakeForks(const Napi::CallbackInfo &info) {
  int pids[256];
  Napi::Array result = Napi::Array::New(info.Env());
  uint32_t length = 0;
  for (size_t count = sizeof pids / sizeof *pids; count == sizeof pids / sizeof *pids;) {
    count = forks_take(pids, count);
    for (size_t i = 0; i < count; i++) result.Set(length++, pids[i]);
  }
  return result;
}

Napi::Value IsDead(const Napi::CallbackInfo &info) {
  return Napi::Boolean::New(info.Env(), orphan_is_dead(PidAt(info)));
}

Napi::Value IsChild(const Napi::CallbackInfo &info) { return Napi::Boolean::New(info.Env(), is_child(PidAt(info))); }

Napi::Value Collect(const Napi::CallbackInfo &info) {
  return Napi::Boolean::New(info.Env(), orphan_collect(PidAt(info)));
}

Napi::Value BecomeSubreaper(const Napi::CallbackInfo &info) {
  return Napi::Boolean::New(info.Env(), become_subreaper());
}

// endBy(signal)
Napi::Value EndBy(const Napi::CallbackInfo &info) {
  end_by(PidAt(info));
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  const struct {
    const char *name;
    Napi::Value (*function)(const Napi::CallbackInfo &);
  } functions[] = {
      {"parseOptions", ParseOptions},
      {"supervise", Supervise},
      {"signalName", SignalName},
      {"watchForks", WatchForks},
      {"takeForks", TakeForks},
      {"isDead", IsDead},
      {"isChild", IsChild},
      {"collect", Collect},
      {"becomeSubreaper", BecomeSubreaper},
      {"endBy", EndBy},
  };
  for (const auto &one : functions) exports.Set(one.name, Napi::Function::New(env, one.function, one.name));
  return exports;
}

}  // namespace

NODE_API_MODULE(init_core, Init)
