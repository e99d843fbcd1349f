/* A native addon that does behind Node's back what native code may do. It starts children, on the calling thread: fork() and collect(pid) for one that looks
   at its children only when asked, spawnAndWait() for one whose own thread waits for a child of posix_spawn. And closedThread() starts a thread that blocks every signal for a
   while, as one does that is just being started, and none from then on. */
#define NAPI_VERSION 8
#include <errno.h>
#include <node_api.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_t waiter;

static int32_t argument(napi_env env, napi_callback_info info)
{
	napi_value value;
	size_t count = 1;
	int32_t number = 0;
	napi_get_cb_info(env, info, &count, &value, NULL, NULL);
	napi_get_value_int32(env, value, &number);
	return number;
}

static napi_value answer(napi_env env, int number)
{
	napi_value value;
	napi_create_int32(env, number, &value);
	return value;
}

static int code_of(int pid)
{
	int status;
	return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : -errno;
}

/* A child that ends with the given code at once. */
static napi_value make(napi_env env, napi_callback_info info)
{
	int code = argument(env, info);
	int pid = fork();
	if (pid == 0)
		_exit(code);
	return answer(env, pid);
}

static napi_value collect(napi_env env, napi_callback_info info)
{
	return answer(env, code_of(argument(env, info)));
}

static void *wait_in_thread(void *pid)
{
	return (void *)(intptr_t)code_of((int)(intptr_t)pid);
}

static napi_value spawn_and_wait(napi_env env, napi_callback_info info)
{
	extern char **environ;
	char *command[] = { "/bin/sh", "-c", "sleep 0.2; exit 9", NULL };
	pid_t pid = 0;
	(void)info;
	posix_spawn(&pid, command[0], NULL, NULL, command, environ);
	pthread_create(&waiter, NULL, wait_in_thread, (void *)(intptr_t)pid);
	return answer(env, pid);
}

static void *close_and_open(void *milliseconds)
{
	sigset_t none;
	sigemptyset(&none);
	usleep((useconds_t)(intptr_t)milliseconds * 1000);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	while (pause() < 0)
		;
	return NULL;
}

static napi_value closed_thread(napi_env env, napi_callback_info info)
{
	pthread_t thread;
	sigset_t every, before;
	int32_t milliseconds = argument(env, info);
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	pthread_create(&thread, NULL, close_and_open, (void *)(intptr_t)milliseconds);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return answer(env, 0);
}

static napi_value joined(napi_env env, napi_callback_info info)
{
	void *code = NULL;
	(void)info;
	pthread_join(waiter, &code);
	return answer(env, (int)(intptr_t)code);
}

NAPI_MODULE_INIT()
{
	napi_property_descriptor functions[] = {
		{ "fork", NULL, make, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "collect", NULL, collect, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "spawnAndWait", NULL, spawn_and_wait, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "closedThread", NULL, closed_thread, NULL, NULL, NULL, napi_enumerable, NULL },
		{ "joined", NULL, joined, NULL, NULL, NULL, napi_enumerable, NULL },
	};
	napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
	return exports;
}
