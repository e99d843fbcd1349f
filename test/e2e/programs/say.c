/* Prints how it was called, one argument a line, and who runs it. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    printf("uid %d\n", (int)getuid());
    for (int i = 0; i < argc; i++)
        printf("argv[%d]=%s\n", i, argv[i]);
    return 0;
}
