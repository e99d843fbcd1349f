/* Where an argument too many costs an instruction and nothing else. */
#define syscall0(number) syscall5(number, 0, 0, 0, 0, 0)
#define syscall1(number, a) syscall5(number, a, 0, 0, 0, 0)
#define syscall2(number, a, b) syscall5(number, a, b, 0, 0, 0)
#define syscall3(number, a, b, c) syscall5(number, a, b, c, 0, 0)
#define syscall4(number, a, b, c, d) syscall5(number, a, b, c, d, 0)
