/* The first process of the emulated PC: runs /program/run with the command in /program/command (folder, number of
   arguments, arguments, variables, each ended by NUL), writes its output and exit code to the emulator's port 0xe9,
   and stops the emulator through its port 0x8900. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT = 0xe9, POWER = 0x8900, MOST = 4096 };

static void put(const char *bytes, long count)
{
    while (count-- > 0)
        outb(*bytes++, OUTPUT);
}

static void say(const char *text) { put(text, strlen(text)); }

static void run(const char *folder, char **arguments, char **variables, int output[2])
{
    int nothing = open("/dev/null", O_RDONLY);
    iopl(0);
    dup2(nothing, 0);
    dup2(output[1], 1);
    dup2(output[1], 2);
    close(output[0]);
    close(output[1]);
    if (chdir(folder) == 0)
        execve("/program/run", arguments, variables);
    fprintf(stderr, "cannot run the program: %s\n", strerror(errno));
    _exit(127);
}

int main(void)
{
    static char command[1 << 16], bytes[1 << 16];
    static char *arguments[MOST], *variables[MOST];

    if (iopl(3) != 0)
        return 1;
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/tmp", 01777);
    chmod("/tmp", 01777);
    mount("proc", "/proc", "proc", 0, 0);
    mount("sys", "/sys", "sysfs", 0, 0);
    mount("dev", "/dev", "devtmpfs", 0, 0);
    if (symlink("/proc/self/fd", "/dev/fd") != 0)
        say("no /dev/fd\n");

    int file = open("/program/command", O_RDONLY);
    long size = read(file, command, sizeof command - 1);
    close(file);
    char *at = command, *end = command + (size > 0 ? size : 0);
    const char *folder = at;
    at += strlen(at) + 1;
    int count = atoi(at), index = 0;
    at += strlen(at) + 1;
    for (; index < count && index < MOST - 1; at += strlen(at) + 1)
        arguments[index++] = at;
    for (index = 0; at < end && index < MOST - 1; at += strlen(at) + 1)
        variables[index++] = at;

    int output[2], status = 0;
    if (pipe(output) != 0)
        return 1;
    say("\n<<<PROGRAM BEGIN>>>\n");
    pid_t child = fork();
    if (child == 0)
        run(folder, arguments, variables, output);
    close(output[1]);
    for (long got; (got = read(output[0], bytes, sizeof bytes)) > 0;)
        put(bytes, got);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    char mark[64];
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    snprintf(mark, sizeof mark, "\n<<<PROGRAM EXIT %d>>>\n", code);
    say(mark);
    for (const char *letter = "Shutdown"; *letter != 0; letter++)
        outb(*letter, POWER);
    for (;;)
        pause();
}
