/* Takes the kernel out of its compressed boot file (bzImage with an LZ4 payload): unlz4 VMLINUZ VMLINUX */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x184c2102, SLACK = 8 << 20 };

static uint32_t number(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* A length of which four bits are in the token and the rest, if they are all ones, in bytes that follow. */
static size_t length(unsigned bits, const uint8_t **at)
{
    size_t sum = bits;
    if (bits == 15) {
        unsigned more;
        do
            sum += more = *(*at)++;
        while (more == 255);
    }
    return sum;
}

static uint8_t *block(const uint8_t *from, const uint8_t *end, uint8_t *to)
{
    while (from < end) {
        unsigned token = *from++;
        size_t literals = length(token >> 4, &from);
        memcpy(to, from, literals);
        from += literals;
        to += literals;
        if (from >= end)
            break;
        const uint8_t *match = to - (from[0] | from[1] << 8);
        from += 2;
        for (size_t left = length(token & 15, &from) + 4; left > 0; left--)
            *to++ = *match++;
    }
    return to;
}

int main(int count, char **names)
{
    FILE *file = count == 3 ? fopen(names[1], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: unlz4 VMLINUZ VMLINUX\n");
        return 1;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(size);
    if (fread(data, 1, size, file) != (size_t)size)
        return 1;
    fclose(file);

    /* Offsets of the boot protocol: setup sectors, payload's place and length; its last four bytes are its true size. */
    const uint8_t *from = data + (data[0x1f1] + 1) * 512 + number(data + 0x248);
    const uint8_t *end = from + number(data + 0x24c) - 4;
    size_t true_size = number(end);
    if (number(from) != MAGIC) {
        fprintf(stderr, "the kernel is not compressed with LZ4 (%08x)\n", number(from));
        return 1;
    }
    uint8_t *out = malloc(true_size + SLACK), *to = out;
    from += 4;
    while (from < end) {
        uint32_t block_size = number(from);
        from += 4;
        if (block_size == MAGIC)
            continue;
        if (block_size == 0)
            break;
        to = block(from, from + block_size, to);
        from += block_size;
    }
    if ((size_t)(to - out) != true_size) {
        fprintf(stderr, "%zu bytes unpacked, %zu expected\n", (size_t)(to - out), true_size);
        return 1;
    }
    file = fopen(names[2], "wb");
    fwrite(out, 1, true_size, file);
    return fclose(file);
}
