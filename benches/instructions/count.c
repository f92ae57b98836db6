/* A QEMU plugin (interface version 1) that counts the guest's instructions between two marks, some kinds apart.
 *
 * A mark is a harmless system call of the guest: lseek(fd, 0x5ed6e, SEEK_SET) or getpriority(0x51, 0), which fails.
 * Each mark prints one line on the errors: "mark" and NAME=COUNT since the mark before. One thread only: the counters
 * are not atomic. The functions are declared here because Debian packages no header of them.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

int qemu_plugin_version = 1;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_syscall_cb(plugin_id,
                                          void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                   uint64_t, uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *counter, uint64_t value);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);

enum { ADD_U64 = 0, SYS_LSEEK = 62, SYS_GETPRIORITY = 141 };
enum { ALL, SDOT, UDOT, USDOT, MMLA, WIDENING, MLA, FMLA, MEMORY, KINDS };

static const char *const names[KINDS] = {
    "all", "sdot", "udot", "usdot", "mmla", "widening", "mla", "fmla", "memory",
};

/* Arm ARM, section C4.1: an instruction is of the kind when its bits under the mask are these. */
static const struct {
    uint32_t mask, bits;
    int kind;
} encodings[] = {
    {0xbfe0fc00, 0x0e809400, SDOT},     {0xbfc0f400, 0x0f80e000, SDOT},     /* vector, by element */
    {0xbfe0fc00, 0x2e809400, UDOT},     {0xbfc0f400, 0x2f80e000, UDOT},
    {0xbfe0fc00, 0x0e809c00, USDOT},    {0xbf40f400, 0x0f00f000, USDOT},    /* with sudot */
    {0xdfe0f400, 0x4e80a400, MMLA},                                         /* smmla, ummla, usmmla */
    {0x9f20fc00, 0x0e208000, WIDENING}, {0x9f00f400, 0x0f002000, WIDENING}, /* smlal, umlal */
    {0x9f20fc00, 0x0e20c000, WIDENING}, {0x9f00f400, 0x0f00a000, WIDENING}, /* smull, umull */
    {0xbf20fc00, 0x0e209400, MLA},      {0xbf00f400, 0x2f000000, MLA},
    {0xbfa0fc00, 0x0e20cc00, FMLA},     {0xbf80f400, 0x0f801000, FMLA},
    {0x0a000000, 0x08000000, MEMORY},                                       /* loads and stores */
};

static uint64_t counts[KINDS];

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    uint64_t found[KINDS] = {qemu_plugin_tb_n_insns(block)};
    (void)id;
    for (size_t i = 0; i < found[ALL]; i++) {
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof word);
        for (size_t e = 0; e < sizeof encodings / sizeof *encodings; e++) {
            if ((word & encodings[e].mask) == encodings[e].bits) {
                found[encodings[e].kind]++;
                break;
            }
        }
    }
    for (int kind = 0; kind < KINDS; kind++)
        if (found[kind])
            qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &counts[kind], found[kind]);
}

static void system_call(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                        uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (!(number == SYS_LSEEK && b == 0x5ed6e && c == 0) && !(number == SYS_GETPRIORITY && a == 0x51 && b == 0))
        return;
    fputs("mark", stderr);
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(stderr, " %s=%llu", names[kind], (unsigned long long)counts[kind]);
    fputc('\n', stderr);
    memset(counts, 0, sizeof counts);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, system_call);
    return 0;
}
